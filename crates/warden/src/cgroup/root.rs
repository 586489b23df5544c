//! Where cgroups of runs can be made: looked for once, by a dispatcher at its start.
//!
//! A folder of somebody else's (systemd's, above all) is left alone unless it was delegated: two
//! managers of one cgroup undo each other's work. Limits are kept by the second version of cgroups
//! where it has the controllers, else by the first, else not here at all.

use std::fmt;
use std::fs;
use std::path::{Component, Path, PathBuf};

use rustix::fs::Access;
use serde::{Deserialize, Serialize};

/// systemd is this host's manager where this is there (as `sd_booted(3)` has it).
const SYSTEMD: &str = "/run/systemd/system";

/// How systemd marks a folder as given away: the first on services of users, the second on all.
const DELEGATED: [&str; 2] = ["user.delegate", "trusted.delegate"];

/// Names of the place inside a delegated folder where a service's own processes are put, so that
/// the folder itself has none: `DelegateSubgroup=` of our units, and systemd's own for its control
/// processes.
const OWN_LEAVES: [&str; 2] = ["daemon", ".control"];

/// Where cgroups of runs can be made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cgroups {
    /// The folder under which each run gets one of the second version: it holds the whole tree.
    pub tree: Option<PathBuf>,
    /// What keeps `memory_max`.
    pub memory: Keeper,
    /// What keeps `pids_max`.
    pub pids: Keeper,
}

/// What keeps a limit of a whole tree.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Keeper {
    /// The run's own cgroup.
    Unified,
    /// A cgroup of the first version, made under this folder.
    Legacy(PathBuf),
    /// No cgroup: the limit becomes one of each process (memory) or of the user (pids).
    #[default]
    Rlimit,
}

impl fmt::Display for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unified => f.write_str("cgroup"),
            Self::Legacy(_) => f.write_str("cgroup v1"),
            Self::Rlimit => f.write_str("rlimit"),
        }
    }
}

/// Why runs get no cgroup of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lack {
    /// This host has none of the second version that we can see.
    NotMounted,
    /// We are outside of what is mounted here.
    Outside,
    /// systemd has not given the folder away.
    NotDelegated(PathBuf),
    /// We may not write there.
    NotWritable(PathBuf),
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotMounted => f.write_str("no cgroup2 is mounted"),
            Self::Outside => f.write_str("our own cgroup lies outside of what is mounted here"),
            Self::NotDelegated(path) => write!(
                f,
                "{} was not delegated by systemd: a unit with Delegate=yes has one",
                path.display()
            ),
            Self::NotWritable(path) => write!(f, "{} cannot be written", path.display()),
        }
    }
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Survey {
    /// What can be used.
    pub cgroups: Cgroups,
    /// Why there is no `tree`, where there is none.
    pub lack: Option<Lack>,
}

/// Looks, and changes nothing.
pub fn look() -> Survey {
    look_as("self")
}

/// The same from where a dispatcher stands; what may be written is still asked for this process.
pub fn look_from(dispatcher: i32) -> Survey {
    look_as(&dispatcher.to_string())
}

fn look_as(process: &str) -> Survey {
    let manager = Path::new(SYSTEMD).is_dir();
    // What is mounted where is said by our own eyes: its paths are to be opened by us.
    let text = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let place = Place {
        mounts: text("/proc/self/mountinfo"),
        own: text(&format!("/proc/{process}/cgroup")),
    };
    let (tree, lack) = match place.tree(manager) {
        Ok(tree) => (Some(tree), None),
        Err(lack) => (None, Some(lack)),
    };
    let keeper = |controller: &str| {
        if tree
            .as_deref()
            .is_some_and(|tree| is_listed(tree, "cgroup.subtree_control", controller))
        {
            return Keeper::Unified;
        }
        // systemd delegates hierarchies of the first version only in part.
        place
            .folder(Hierarchy::Legacy(controller))
            .filter(|folder| !manager && is_writable(folder))
            .map_or(Keeper::Rlimit, Keeper::Legacy)
    };
    Survey {
        cgroups: Cgroups {
            memory: keeper("memory"),
            pids: keeper("pids"),
            tree: tree.clone(),
        },
        lack,
    }
}

/// Has the controllers work in what runs will get, as far as the kernel lets us, and looks. It
/// refuses where processes are in the root itself; then limits are kept another way.
pub fn open() -> Survey {
    if let Some(tree) = look().cgroups.tree {
        for controller in ["memory", "pids"] {
            if is_listed(&tree, "cgroup.controllers", controller) {
                let _ = fs::write(
                    tree.join("cgroup.subtree_control"),
                    format!("+{controller}"),
                );
            }
        }
    }
    look()
}

fn is_listed(folder: &Path, file: &str, word: &str) -> bool {
    fs::read_to_string(folder.join(file))
        .is_ok_and(|text| text.split_whitespace().any(|one| one == word))
}

fn is_writable(folder: &Path) -> bool {
    rustix::fs::access(folder, Access::WRITE_OK | Access::EXEC_OK).is_ok()
}

fn is_delegated(folder: &Path) -> bool {
    DELEGATED.iter().any(|name| {
        let mut value = [0; 8];
        rustix::fs::getxattr(folder, *name, &mut value).is_ok_and(|length| value[..length] == *b"1")
    })
}

/// A hierarchy of cgroups.
#[derive(Clone, Copy, Debug)]
enum Hierarchy<'a> {
    Unified,
    /// The one of the first version that has this controller.
    Legacy(&'a str),
}

/// Where this process stands, in the kernel's words.
#[derive(Debug)]
struct Place {
    mounts: String,
    own: String,
}

impl Place {
    /// The folder for runs, of the second version.
    fn tree(&self, manager: bool) -> Result<PathBuf, Lack> {
        if self.mount(Hierarchy::Unified).is_none() {
            return Err(Lack::NotMounted);
        }
        let own = self.folder(Hierarchy::Unified).ok_or(Lack::Outside)?;
        let root = match (own.file_name(), own.parent()) {
            (Some(leaf), Some(parent)) if OWN_LEAVES.iter().any(|name| leaf == *name) => parent,
            (_, _) => &own,
        };
        if manager && !is_delegated(root) {
            return Err(Lack::NotDelegated(root.to_owned()));
        }
        if !is_writable(root) {
            return Err(Lack::NotWritable(root.to_owned()));
        }
        Ok(root.to_owned())
    }

    /// The folder of our own cgroup.
    fn folder(&self, hierarchy: Hierarchy<'_>) -> Option<PathBuf> {
        let (root, point) = self.mount(hierarchy)?;
        let own = self.own.lines().find_map(|line| {
            let mut fields = line.splitn(3, ':').skip(1);
            let (controllers, path) = (fields.next()?, fields.next()?);
            let is_meant = match hierarchy {
                Hierarchy::Unified => controllers.is_empty(),
                Hierarchy::Legacy(name) => controllers.split(',').any(|one| one == name),
            };
            is_meant.then_some(path)
        })?;
        let within = Path::new(own).strip_prefix(root).ok()?;
        let is_plain = within
            .components()
            .all(|part| matches!(part, Component::Normal(_)));
        // Joined part by part: an empty path would leave a slash at the end.
        is_plain.then(|| {
            Path::new(point)
                .components()
                .chain(within.components())
                .collect()
        })
    }

    /// What of the hierarchy is mounted, and where.
    fn mount(&self, hierarchy: Hierarchy<'_>) -> Option<(&str, &str)> {
        self.mounts.lines().find_map(|line| {
            let (left, right) = line.split_once(" - ")?;
            let mut left = left.split(' ').skip(3);
            let mut right = right.split(' ');
            let (root, point) = (left.next()?, left.next()?);
            let (kind, options) = (right.next()?, right.nth(1)?);
            let is_meant = match hierarchy {
                Hierarchy::Unified => kind == "cgroup2",
                Hierarchy::Legacy(name) => {
                    kind == "cgroup" && options.split(',').any(|one| one == name)
                }
            };
            is_meant.then_some((root, point))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory
36 31 0:33 /docker/ab /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw,nsdelegate
";

    fn place(own: &str) -> Place {
        Place {
            mounts: MOUNTS.to_owned(),
            own: own.to_owned(),
        }
    }

    #[test]
    fn our_own_cgroup_is_found_beneath_its_mount() {
        let place = place("5:cpu,cpuacct:/docker/ab/c\n4:memory:/a:b/c\n0::/x/daemon\n");
        let folder = |hierarchy| place.folder(hierarchy);
        assert_eq!(
            folder(Hierarchy::Unified).unwrap(),
            Path::new("/sys/fs/cgroup/unified/x/daemon")
        );
        assert_eq!(
            folder(Hierarchy::Legacy("memory")).unwrap(),
            Path::new("/sys/fs/cgroup/memory/a:b/c")
        );
        assert_eq!(
            folder(Hierarchy::Legacy("cpuacct")).unwrap(),
            Path::new("/sys/fs/cgroup/cpu,cpuacct/c")
        );
        assert_eq!(folder(Hierarchy::Legacy("pids")), None);
    }

    #[test]
    fn a_cgroup_outside_of_what_is_mounted_is_none() {
        assert_eq!(place("0::/../up\n").tree(false), Err(Lack::Outside));
        assert_eq!(
            place("5:cpu:/docker/other\n").folder(Hierarchy::Legacy("cpu")),
            None
        );
        let none = Place {
            mounts: String::new(),
            own: "0::/\n".to_owned(),
        };
        assert_eq!(none.tree(false), Err(Lack::NotMounted));
    }

    #[test]
    fn runs_lie_beside_the_place_of_the_dispatcher_itself_and_only_where_we_may_write() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("unit/daemon")).unwrap();
        let place = |own: &str| Place {
            mounts: format!(
                "41 31 0:38 / {} rw - cgroup2 cgroup2 rw\n",
                root.path().display()
            ),
            own: own.to_owned(),
        };
        let unit = root.path().join("unit");
        assert_eq!(place("0::/unit/daemon\n").tree(false), Ok(unit.clone()));
        assert_eq!(place("0::/unit\n").tree(false), Ok(unit.clone()));
        assert_eq!(
            place("0::/unit/daemon\n").tree(true),
            Err(Lack::NotDelegated(unit))
        );
        let gone = root.path().join("gone");
        assert_eq!(
            place("0::/gone\n").tree(false),
            Err(Lack::NotWritable(gone))
        );
    }
}
