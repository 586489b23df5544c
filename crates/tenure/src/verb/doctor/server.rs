//! The store's server: whether our role may do what it must and no more, whether the link is for our
//! eyes alone, and whether what the server was given survives a power cut.

use tenure_store::Store;
use tenure_store::dispatcher::Dispatcher;
use tenure_store::server::{Lack, Server};

use super::Finding;

const CHECK: &str = "server";

/// The oldest version that still gets its mends, and that all of this was tried on.
const OLDEST: i64 = 14;

/// What a dispatcher holds at most: what it writes on, what it renews leases on, what it listens on,
/// and four to read.
const OF_A_DISPATCHER: i64 = 7;

/// Of so many wardens that lost their dispatcher about one has a connection at a moment.
const WARDENS_PER_CONNECTION: u32 = 10;

/// What people's verbs may need beside them.
const OF_PEOPLE: i64 = 5;

/// Looks, where the store has a server.
pub async fn look(store: &Store) -> Vec<Finding> {
    let (server, lacks) = match store.server().await {
        Ok(Some(found)) => found,
        Ok(None) => return Vec::new(),
        Err(error) => {
            return vec![Finding::problem(
                CHECK,
                error.to_string(),
                "what its role may do is not known",
                "as the message says",
            )];
        }
    };
    // Said elsewhere where it cannot be read.
    let living = store.living_dispatchers().await.unwrap_or_default();
    let mut findings = vec![version(&server)];
    findings.extend(role(&server));
    findings.extend(privileges(&server, &lacks));
    findings.extend(link(&server));
    findings.extend(durability(&server));
    findings.extend(connections(&server, &living));
    findings
}

fn version(server: &Server) -> Finding {
    let found = format!("PostgreSQL {}, role {}", server.version, server.role);
    if server.version_number / 10_000 < OLDEST {
        return Finding::notice(
            CHECK,
            found,
            "nothing was tried on it, and a client that is gone is noticed late",
            format!("PostgreSQL {OLDEST} or later"),
        );
    }
    Finding::ok(CHECK, found)
}

/// Whether the role may do more than it must.
fn role(server: &Server) -> Option<Finding> {
    let Server {
        is_superuser,
        makes_others,
        bypasses_rows,
        owns_tables,
        ..
    } = *server;
    let powers = [
        (is_superuser, "is a superuser"),
        (
            makes_others && !is_superuser,
            "may make databases or roles, or replicate",
        ),
        (bypasses_rows && !is_superuser, "bypasses row security"),
        (owns_tables && !is_superuser, "owns the tables"),
    ];
    let powers: Vec<&str> = powers
        .into_iter()
        .filter_map(|(is_so, power)| is_so.then_some(power))
        .collect();
    if powers.is_empty() {
        return None;
    }
    Some(Finding::notice(
        CHECK,
        format!("role {} {}", server.role, powers.join(", ")),
        "whoever gets hold of its password can do all of that",
        "a role that may only read and write the tables: README, \"The server's roles\"",
    ))
}

fn privileges(server: &Server, lacks: &[Lack]) -> Option<Finding> {
    if lacks.is_empty() {
        return None;
    }
    let missing: Vec<String> = lacks
        .iter()
        .map(|lack| format!("{} on {}", lack.privilege, lack.relation))
        .collect();
    let role = &server.role;
    Some(Finding::problem(
        CHECK,
        format!("role {role} may not {}", missing.join(", ")),
        "some verbs, or the dispatcher itself, are refused by the server",
        format!(
            "as the tables' owner: GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}"
        ),
    ))
}

fn link(server: &Server) -> Option<Finding> {
    let is_open = !server.is_encrypted && !server.is_local;
    is_open.then(|| {
        Finding::problem(
            CHECK,
            "the link to the server is not encrypted",
            "whoever is on the way reads and changes everything, claim locks among it",
            "?sslmode=verify-full&sslrootcert=/path/of/the/authority.crt in store.url",
        )
    })
}

fn durability(server: &Server) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !server.is_durable {
        findings.push(Finding::problem(
            CHECK,
            "the server has fsync or full_page_writes off",
            "a power cut can damage the whole database",
            "fsync = on and full_page_writes = on in postgresql.conf",
        ));
    }
    if !server.waits_for_disk {
        findings.push(Finding::problem(
            CHECK,
            "the server has synchronous_commit off",
            "what was acknowledged last is lost in a crash of the server or a power cut",
            format!("ALTER ROLE {} SET synchronous_commit = on", server.role),
        ));
    }
    findings
}

fn connections(server: &Server, living: &[Dispatcher]) -> Option<Finding> {
    let dispatchers = i64::try_from(living.len().max(1)).unwrap_or(i64::MAX);
    let slots: u32 = living.iter().map(|dispatcher| dispatcher.slots).sum();
    let wardens = i64::from(slots.div_ceil(WARDENS_PER_CONNECTION));
    let needed = dispatchers * OF_A_DISPATCHER + wardens + OF_PEOPLE;
    let allowed = match server.connections_of_role {
        of_role @ 0.. => of_role.min(server.connections),
        _ => server.connections,
    };
    (allowed < needed).then(|| {
        Finding::notice(
            CHECK,
            format!("role {} may have {allowed} connections", server.role),
            format!("{dispatchers} dispatchers with {slots} slots may need {needed}, and wait for each other"),
            "a higher max_connections in postgresql.conf, or CONNECTION LIMIT of the role",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server() -> Server {
        Server {
            version: "15.18".into(),
            version_number: 150_018,
            role: "tenure".into(),
            is_superuser: false,
            makes_others: false,
            bypasses_rows: false,
            owns_tables: false,
            is_encrypted: true,
            is_local: false,
            is_durable: true,
            waits_for_disk: true,
            connections: 97,
            connections_of_role: -1,
        }
    }

    fn findings(server: &Server) -> Vec<String> {
        let mut all = vec![version(server)];
        all.extend(role(server));
        all.extend(link(server));
        all.extend(durability(server));
        all.extend(connections(server, &[]));
        all.into_iter()
            .filter(|finding| finding.lack.is_some())
            .map(|finding| finding.found)
            .collect()
    }

    #[test]
    fn nothing_is_to_say_of_a_server_as_it_should_be() {
        assert_eq!(findings(&server()), Vec::<String>::new());
    }

    /// What makes a server another than it should be.
    type Change = fn(&mut Server);

    #[test]
    fn each_thing_that_is_wrong_is_said() {
        let cases: [(Change, &str); 10] = [
            (|server| server.is_superuser = true, "superuser"),
            (|server| server.makes_others = true, "roles"),
            (|server| server.bypasses_rows = true, "row security"),
            (|server| server.owns_tables = true, "owns the tables"),
            (|server| server.is_encrypted = false, "not encrypted"),
            (|server| server.is_durable = false, "fsync"),
            (|server| server.waits_for_disk = false, "synchronous_commit"),
            (|server| server.connections = 10, "10 connections"),
            (|server| server.connections_of_role = 5, "5 connections"),
            (|server| server.version_number = 130_022, "PostgreSQL"),
        ];
        for (change, word) in cases {
            let mut server = server();
            change(&mut server);
            let said = findings(&server);
            assert!(
                said.len() == 1 && said[0].contains(word),
                "{word}: {said:?}"
            );
        }
    }
}
