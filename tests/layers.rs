//! Keeps the `layer a <- b c` lines of `src/lib.rs` true: a module names only modules on its line.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeMap;
use std::{fs, path::Path};

/// Modules that wire the others, and so may name all of them.
const ROOTS: [&str; 3] = ["main", "lib", "app"];

#[test]
fn modules_import_only_lower_layers() {
    let lib = fs::read_to_string("src/lib.rs").unwrap();
    let mut layers = BTreeMap::from([("app", Vec::new())]);
    for line in lib.lines().filter_map(|line| line.strip_prefix("//! layer ")) {
        let (name, allowed) = line.split_once("<-").unwrap();
        let allowed: Vec<_> = allowed.split_whitespace().collect();
        let lower = allowed.iter().all(|module| layers.contains_key(module));
        assert!(lower, "{name}: a layer may list only layers written above it");
        layers.insert(name.trim(), allowed);
    }
    let mut files = 0;
    let mut broken = Vec::new();
    visit(Path::new("src"), &mut |path, text| {
        let module = path.iter().nth(1).unwrap().to_str().unwrap().trim_end_matches(".rs");
        if ROOTS.contains(&module) {
            return;
        }
        files += 1;
        let Some(allowed) = layers.get(module) else {
            return broken.push(format!("{}: no layer line for `{module}`", path.display()));
        };
        for (number, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap();
            // `crate::{a, b}` gives an empty name here and is refused: one line per module.
            for used in code.split("crate::").skip(1) {
                let used = used.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap();
                if used != module && !allowed.contains(&used) {
                    broken.push(format!("{}:{}: uses `{used}`", path.display(), number + 1));
                }
            }
        }
    });
    assert!(files >= layers.len() && layers.len() > 10, "only {files} files seen");
    assert!(broken.is_empty(), "layer rule broken:\n{}", broken.join("\n"));
}

fn visit(dir: &Path, check: &mut impl FnMut(&Path, &str)) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            visit(&path, check);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            check(&path, &fs::read_to_string(&path).unwrap());
        }
    }
}
