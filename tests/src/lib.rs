//! What the tests of the whole share: throwaway servers, homes and daemons.

pub mod postgres;
