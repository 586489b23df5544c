//! The worker's side: takes connections on the warden's socket, reads requests, sends answers.
//! What an answer is, [`crate::stand`] decides. A dispatcher that takes the lifeline up comes the
//! same way; its connection leaves here and becomes the lifeline.
//!
//! One request of a connection is open at a time, so that answers come in order and a client that
//! sends without reading only holds up itself. The tree and everybody else have connections of their
//! own: a worker that holds all of its can keep no dispatcher out.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use nix::sys::socket::{getsockopt, sockopt};
use nix::sys::stat::{Mode, umask};
use tenure_guard::Reason;
use tenure_guard::wire::{self, Answer, Notice, Request, Response};

use crate::clock::BootInstant;
use crate::lifeline::{Adopt, Message};
use crate::lines::{Lines, Next};

/// How many connections the tree has at once. A worker needs one or two; its children may have theirs.
const MOST_INSIDE: usize = 128;

/// How many of these may have something open, a request or a watch. The others wait unread.
const MOST_ENGAGED: usize = 64;

/// How many connections others have: dispatchers that take the lifeline up, one after the other.
const MOST_OUTSIDE: usize = 8;

/// Names a connection; never reused.
pub(crate) type ConnId = u64;

/// The warden's socket and everybody who is connected.
#[derive(Debug)]
pub(crate) struct Broker {
    listener: UnixListener,
    path: PathBuf,
    connections: BTreeMap<ConnId, Connection>,
    next_id: ConnId,
}

#[derive(Debug)]
struct Connection {
    lines: Lines,
    peer: Peer,
    is_inside: bool,
    turn: Turn,
    /// Whether nothing was said on it yet.
    is_new: bool,
    /// Whether it wants to be told when ownership is lost.
    watching: bool,
    heard_at: BootInstant,
}

/// Who was at the other end when it connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Peer {
    pub(crate) pid: i32,
    pub(crate) uid: u32,
}

/// Whose turn it is on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// The client's: its next line.
    Theirs,
    /// Ours: a request is open.
    Ours,
    /// Nobody's: the last answer is on its way, and nothing more is taken.
    Over,
}

/// What somebody said.
#[derive(Debug)]
pub(crate) enum Heard {
    /// Something that wants an answer.
    Request { from: ConnId, request: Request },
    /// A guard stood down.
    Notice { peer: i32, reason: Reason },
    /// Somebody wants to take the lifeline up.
    Adopt {
        from: ConnId,
        peer: Peer,
        adopt: Box<Adopt>,
    },
}

impl Broker {
    /// Begins to listen. The socket is 0600 from its first moment.
    pub(crate) fn bind(path: &Path) -> io::Result<Self> {
        let before = umask(Mode::from_bits_truncate(0o177));
        let bound = UnixListener::bind(path);
        umask(before);
        let listener = bound?;
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o600))?;
        listener.set_nonblocking(true)?;
        Ok(Self {
            listener,
            path: path.to_owned(),
            connections: BTreeMap::new(),
            next_id: 1,
        })
    }

    /// The listener. There is always room, or room is made.
    pub(crate) fn listener(&self) -> &UnixListener {
        &self.listener
    }

    /// Whom to wait for: the connection, whether to read, whether to write.
    pub(crate) fn awaited(&self) -> impl Iterator<Item = (ConnId, &UnixStream, bool, bool)> {
        let engaged = self.connections.values().filter(|one| one.is_engaged());
        let is_crowded = engaged.count() >= MOST_ENGAGED;
        self.connections.iter().filter_map(move |(id, connection)| {
            let is_held_up = is_crowded && connection.is_inside && !connection.watching;
            let read =
                connection.turn == Turn::Theirs && !connection.lines.has_ended() && !is_held_up;
            let write = connection.lines.is_departing();
            // One that we neither read nor write is left out: its hang-up would wake us for ever.
            (read || write).then_some((*id, connection.lines.stream(), read, write))
        })
    }

    /// Takes whoever waits to be connected; `is_inside` says of a pid whether it is in the tree.
    pub(crate) fn accept(&mut self, now: BootInstant, is_inside: impl Fn(i32) -> bool) {
        while let Ok((stream, _)) = self.listener.accept() {
            let Ok(peer) = getsockopt(&stream, sockopt::PeerCredentials) else {
                continue;
            };
            let Ok(lines) = Lines::new(stream, wire::MAX_LINE) else {
                continue;
            };
            let is_inside = is_inside(peer.pid());
            self.make_room(is_inside);
            let connection = Connection {
                lines,
                peer: Peer {
                    pid: peer.pid(),
                    uid: peer.uid(),
                },
                is_inside,
                turn: Turn::Theirs,
                is_new: true,
                watching: false,
                heard_at: now,
            };
            self.connections.insert(self.next_id, connection);
            self.next_id += 1;
        }
    }

    /// The longest silent connection gives way to a new one of its side; those that wait for us only
    /// where there is no other.
    fn make_room(&mut self, is_inside: bool) {
        let most = if is_inside { MOST_INSIDE } else { MOST_OUTSIDE };
        let side = self
            .connections
            .iter()
            .filter(|(_, connection)| connection.is_inside == is_inside);
        if side.clone().count() < most {
            return;
        }
        let idlest = side.min_by_key(|(_, one)| (one.is_engaged(), one.heard_at));
        if let Some(id) = idlest.map(|(id, _)| *id) {
            self.connections.remove(&id);
        }
    }

    /// Reads and writes one connection as far as that goes without waiting.
    pub(crate) fn serve(&mut self, id: ConnId, now: BootInstant) -> Vec<Heard> {
        let Some(connection) = self.connections.get_mut(&id) else {
            return Vec::new();
        };
        connection.lines.flush();
        if connection.turn == Turn::Theirs {
            connection.lines.fill();
            connection.heard_at = now;
        }
        self.listen(id)
    }

    /// Everybody, for the last look round before the end.
    pub(crate) fn everybody(&self) -> Vec<ConnId> {
        self.connections.keys().copied().collect()
    }

    /// Who is on the other side; `None` where it is gone.
    pub(crate) fn peer(&self, id: ConnId) -> Option<i32> {
        self.connections
            .get(&id)
            .map(|connection| connection.peer.pid)
    }

    /// Answers the open request, and looks whether the next one has arrived already.
    pub(crate) fn answer(&mut self, id: ConnId, answer: Answer) -> Vec<Heard> {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.send(answer);
            connection.turn = Turn::Theirs;
        }
        self.listen(id)
    }

    /// Answers a watch: from now on the connection is told when ownership is lost.
    pub(crate) fn watch(&mut self, id: ConnId) -> Vec<Heard> {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.watching = true;
        }
        self.answer(id, Answer::Owned)
    }

    /// Lets a connection go to become the lifeline.
    pub(crate) fn release(&mut self, id: ConnId) -> Option<Lines> {
        self.connections
            .remove(&id)
            .map(|connection| connection.lines)
    }

    /// The lifeline stays where it is.
    pub(crate) fn refuse_adoption(&mut self, id: ConnId, reason: String) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.lines.send(&Message::NotAdopted { reason });
            connection.turn = Turn::Over;
        }
        self.listen(id);
    }

    /// Ownership is lost: tells whoever wanted to know.
    pub(crate) fn tell_watchers(&mut self, reason: &Reason) {
        for connection in self.connections.values_mut() {
            if connection.watching {
                connection.watching = false;
                connection.send(Answer::StandDown {
                    reason: reason.clone(),
                });
            }
        }
    }

    /// Takes what was said, and lets go of a connection that has come to its end.
    fn listen(&mut self, id: ConnId) -> Vec<Heard> {
        let Some(connection) = self.connections.get_mut(&id) else {
            return Vec::new();
        };
        let heard = connection.take(id);
        let over = match connection.turn {
            Turn::Theirs => connection.lines.has_ended(),
            Turn::Over => true,
            Turn::Ours => false,
        };
        if over && !connection.lines.is_departing() {
            self.connections.remove(&id);
        }
        heard
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // Nobody is left who could be told that it is still there.
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Connection {
    fn is_engaged(&self) -> bool {
        self.watching || self.turn == Turn::Ours
    }

    fn send(&mut self, answer: Answer) {
        self.lines.send(&Response {
            v: wire::VERSION,
            answer,
        });
    }

    /// What was said, up to the next request. What makes no sense is answered here.
    fn take(&mut self, id: ConnId) -> Vec<Heard> {
        let mut heard = Vec::new();
        while self.turn == Turn::Theirs {
            let line = match self.lines.next() {
                Next::Line(line) => line,
                Next::Nothing | Next::End => break,
                Next::TooLong => {
                    self.refuse(format!(
                        "a line has {} bytes at most: write the rest to a file and name it",
                        wire::MAX_LINE
                    ));
                    self.turn = Turn::Over;
                    break;
                }
            };
            let is_first = std::mem::replace(&mut self.is_new, false);
            match parse(&line, is_first) {
                Ok(Said::Request(request)) => {
                    self.turn = Turn::Ours;
                    heard.push(Heard::Request {
                        from: id,
                        request: *request,
                    });
                }
                Ok(Said::Notice(reason)) => heard.push(Heard::Notice {
                    peer: self.peer.pid,
                    reason,
                }),
                Ok(Said::Adopt(adopt)) => {
                    self.turn = Turn::Ours;
                    heard.push(Heard::Adopt {
                        from: id,
                        peer: self.peer,
                        adopt,
                    });
                }
                Err(message) => self.refuse(message),
            }
        }
        heard
    }

    fn refuse(&mut self, message: String) {
        self.send(Answer::Refused { message });
    }
}

enum Said {
    Request(Box<Request>),
    Notice(Reason),
    Adopt(Box<Adopt>),
}

fn parse(line: &str, is_first: bool) -> Result<Said, String> {
    if let Ok(notice) = serde_json::from_str::<Notice>(line)
        && notice.v == wire::VERSION
    {
        return Ok(Said::Notice(notice.stood_down));
    }
    if is_first && let Ok(adopt) = serde_json::from_str::<Adopt>(line) {
        return Ok(Said::Adopt(Box::new(adopt)));
    }
    let request: Request = serde_json::from_str(line).map_err(|error| {
        format!(
            "the line is not understood ({error}): one JSON object is expected, with v, task_id, run_id, claim_lock and op"
        )
    })?;
    request.validate()?;
    Ok(Said::Request(Box::new(request)))
}
