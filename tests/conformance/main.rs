//! One suite for both databases: the same promises hold on SQLite and on PostgreSQL.

#[test]
fn a_throwaway_server_gives_each_test_its_own_database() {
    let (first, second) = (
        tenure_tests::postgres::database(),
        tenure_tests::postgres::database(),
    );
    assert!(first.is_none() || first != second);
}
