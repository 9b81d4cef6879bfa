//! finit_module(2), several at once, each module once.

use std::collections::{HashMap, HashSet, VecDeque};
use std::ffi::CString;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use bootwright_image::cmdline::CommandLine;
use rustix::io::Errno;
use tracing::{debug, warn};

use super::index::{Module, ModuleIndex, module_name};

/// MODULE_INIT_COMPRESSED_FILE (linux/module.h): the kernel unpacks the file itself.
const COMPRESSED_FILE: i32 = 4;

/// Why a module is not loaded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModuleError {
    /// Neither a file nor built in.
    #[error("module {0} is not in the initrd and not built into this kernel: add it to the initrd")]
    Absent(String),
    /// Its file could not be read or the kernel refused it.
    #[error("module {path}: {problem}")]
    Refused {
        /// The file.
        path: String,
        /// What the kernel said.
        problem: String,
    },
}

/// Something to load.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Task {
    /// A module by its name.
    Module(String),
    /// Whatever drives a device of this modalias.
    Alias(String),
}

enum Progress {
    Loading,
    Done(Result<(), ModuleError>),
}

/// The queue and what has come of it.
pub struct Loader {
    directory: PathBuf,
    index: ModuleIndex,
    parameters: HashMap<String, String>,
    blacklist: HashSet<String>,
    queue: Mutex<VecDeque<Task>>,
    queued: Condvar,
    modules: Mutex<HashMap<String, Progress>>,
    loaded: Condvar,
    seen: Mutex<HashSet<Task>>,
}

impl Loader {
    /// Loads from `directory`; `line` has parameters for modules and `modprobe.blacklist=`.
    pub fn new(directory: PathBuf, index: ModuleIndex, line: &CommandLine) -> Self {
        let listed = line.all("modprobe.blacklist").flat_map(|list| list.split(','));
        Self {
            directory,
            index,
            parameters: module_parameters(line),
            blacklist: listed.map(module_name).collect(),
            queue: Mutex::default(),
            queued: Condvar::new(),
            modules: Mutex::default(),
            loaded: Condvar::new(),
            seen: Mutex::default(),
        }
    }

    /// Queues a task, unless it has been queued before.
    pub fn push(&self, task: Task) {
        if lock(&self.seen).insert(task.clone()) {
            lock(&self.queue).push_back(task);
            self.queued.notify_one();
        }
    }

    /// Works through the queue for ever.
    pub fn work(&self) {
        loop {
            match self.next() {
                Task::Module(name) => self.attempt(&name),
                Task::Alias(alias) => {
                    let names = self.index.for_alias(&alias);
                    let wanted = names.into_iter().filter(|name| !self.blacklist.contains(*name));
                    wanted.for_each(|name| self.attempt(name));
                }
            }
        }
    }

    fn next(&self) -> Task {
        let mut queue = lock(&self.queue);
        loop {
            match queue.pop_front() {
                Some(task) => return task,
                None => queue = self.queued.wait(queue).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    fn attempt(&self, name: &str) {
        match self.load(name) {
            Ok(()) => debug!("module {name} is loaded"),
            // ENODEV is how a driver says that the device is not for it after all.
            Err(error) => debug!("{error}"),
        }
    }

    /// Loads `name` and what it needs; waits for those that another thread is loading.
    pub fn load(&self, name: &str) -> Result<(), ModuleError> {
        let order = self.index.closure(name);
        let own = module_name(name);
        if order.is_empty() {
            let there = self.index.is_builtin(name) || Path::new("/sys/module").join(&own).exists();
            return if there { Ok(()) } else { Err(ModuleError::Absent(own)) };
        }
        let mut result = Ok(());
        for module in order {
            let outcome = self.load_once(module);
            if module.name == own {
                result = outcome;
            }
        }
        result
    }

    fn load_once(&self, module: &Module) -> Result<(), ModuleError> {
        let mut modules = lock(&self.modules);
        loop {
            match modules.get(&module.name) {
                Some(Progress::Done(result)) => return result.clone(),
                Some(Progress::Loading) => {
                    modules = self.loaded.wait(modules).unwrap_or_else(PoisonError::into_inner);
                }
                None => break,
            }
        }
        modules.insert(module.name.clone(), Progress::Loading);
        drop(modules);
        let result = self.insert(module);
        lock(&self.modules).insert(module.name.clone(), Progress::Done(result.clone()));
        self.loaded.notify_all();
        result
    }

    fn insert(&self, module: &Module) -> Result<(), ModuleError> {
        let refused = |problem: String| ModuleError::Refused { path: module.path.clone(), problem };
        let file =
            File::open(self.directory.join(&module.path)).map_err(|error| refused(error.to_string()))?;
        let parameters = self.parameters.get(&module.name).map_or("", String::as_str);
        let parameters = CString::new(parameters).map_err(|error| refused(error.to_string()))?;
        let flags = if module.path.ends_with(".ko") { 0 } else { COMPRESSED_FILE };
        match rustix::system::finit_module(&file, &parameters, flags) {
            Ok(()) | Err(Errno::EXIST) => Ok(()),
            Err(Errno::OPNOTSUPP | Errno::INVAL) if flags != 0 => {
                Err(refused("this kernel does not unpack modules: put them unpacked into the initrd".into()))
            }
            Err(error) => Err(refused(io::Error::from(error).to_string())),
        }
    }

    /// How many modules are loaded.
    pub fn count(&self) -> usize {
        lock(&self.modules).values().filter(|progress| matches!(progress, Progress::Done(Ok(())))).count()
    }

    /// A line for each module that the kernel refused.
    pub fn failures(&self) -> Vec<String> {
        let modules = lock(&self.modules);
        let mut lines: Vec<_> = modules
            .values()
            .filter_map(|progress| match progress {
                Progress::Done(Err(error)) => Some(error.to_string()),
                _ => None,
            })
            .collect();
        lines.sort();
        lines
    }
}

/// `MODULE.PARAMETER=VALUE` of the command line, joined per module as finit_module(2) takes them.
fn module_parameters(line: &CommandLine) -> HashMap<String, String> {
    let mut all: HashMap<String, String> = HashMap::new();
    for parameter in &line.parameters {
        let Some((module, name)) = parameter.key.split_once('.') else { continue };
        let text = all.entry(module_name(module)).or_default();
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(name);
        if let Some(value) = &parameter.value {
            let quote = if value.contains(' ') { "\"" } else { "" };
            text.push_str(&format!("={quote}{value}{quote}"));
        }
    }
    all
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| {
        warn!("a thread that loads modules has failed; going on");
        poisoned.into_inner()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_of_a_module_are_joined_and_quoted() {
        let line =
            CommandLine::parse("quiet nvme-core.io_timeout=9 \"nvme_core.x=a b\" nvme_core.flag root=x");
        let parameters = module_parameters(&line);
        assert_eq!(parameters["nvme_core"], "io_timeout=9 x=\"a b\" flag");
        assert!(!parameters.contains_key("root"));
    }

    #[test]
    fn a_module_that_is_nowhere_is_named() {
        let loader = Loader::new("/nonexistent".into(), ModuleIndex::default(), &CommandLine::default());
        let error = loader.load("surely-absent").unwrap_err();
        assert_eq!(error, ModuleError::Absent("surely_absent".into()));
    }

    #[test]
    fn a_file_that_cannot_be_read_fails_once_and_is_remembered() {
        let index = ModuleIndex::parse("kernel/a.ko:\n", "", "", "");
        let loader = Loader::new("/nonexistent".into(), index, &CommandLine::default());
        assert!(matches!(loader.load("a"), Err(ModuleError::Refused { .. })));
        assert_eq!(loader.failures().len(), 1);
    }
}
