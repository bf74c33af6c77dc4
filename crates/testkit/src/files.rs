//! The config file and its neighbours, changed in every way in which operators change them.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use tempfile::TempDir;

/// How a directory with a config is laid out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Layout {
    /// A plain file.
    #[default]
    Plain,
    /// As Kubernetes mounts a ConfigMap: `config.yaml -> ..data/config.yaml`, `..data -> ..1`.
    Kubernetes,
}

/// A directory with a config file in it. `@dir@` in texts stands for the directory.
#[derive(Debug)]
pub struct Files {
    directory: TempDir,
    layout: Layout,
    version: AtomicUsize,
}

impl Files {
    /// A new directory with this config.
    ///
    /// # Panics
    /// Here and below when the file system refuses.
    pub fn new(layout: Layout, config: &str) -> Self {
        let directory = TempDir::new().expect("a directory");
        let files = Self { directory, layout, version: AtomicUsize::new(0) };
        match layout {
            Layout::Plain => files.write(config),
            Layout::Kubernetes => {
                files.swap(config);
                symlink("..data/config.yaml", files.config()).expect("a link");
            }
        }
        files
    }

    /// The config file's path.
    pub fn config(&self) -> PathBuf {
        self.path("config.yaml")
    }

    /// A path in the directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes a file beside the config.
    pub fn put(&self, name: &str, content: &str) {
        fs::write(self.path(name), self.filled(content)).expect("a file");
    }

    /// Writes a file beside the config and renames it into place, so that no reader sees half of it.
    pub fn replace(&self, name: &str, content: &str) {
        let new = self.path(&format!("{name}.new"));
        fs::write(&new, self.filled(content)).expect("a file");
        fs::rename(new, self.path(name)).expect("a rename");
    }

    /// Writes the config in place, as simple editors and `cp` do.
    pub fn write(&self, config: &str) {
        fs::write(self.config(), self.filled(config)).expect("a file");
    }

    /// Writes a new file and renames it over the config, as careful editors do.
    pub fn rename(&self, config: &str) {
        self.replace("config.yaml", config);
    }

    /// Writes a new directory and lets the link `..data` lead to it, as Kubernetes does.
    pub fn swap(&self, config: &str) {
        assert_eq!(self.layout, Layout::Kubernetes, "only Kubernetes swaps links");
        let version = self.version.fetch_add(1, Ordering::Relaxed);
        let new = self.path(&format!("..{}", version + 1));
        fs::create_dir(&new).expect("a directory");
        fs::write(new.join("config.yaml"), self.filled(config)).expect("a file");
        symlink(new.file_name().expect("it has a name"), self.path("..data_tmp")).expect("a link");
        fs::rename(self.path("..data_tmp"), self.path("..data")).expect("a rename");
        if version > 0 {
            fs::remove_dir_all(self.path(&format!("..{version}"))).expect("the old directory goes");
        }
    }

    /// Deletes the config.
    pub fn remove(&self) {
        fs::remove_file(self.config()).expect("the config is there");
    }

    fn filled(&self, text: &str) -> String {
        text.replace("@dir@", &shown(self.directory.path()))
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
