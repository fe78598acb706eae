use std::fs;
use std::path::Path;

type Target = fn(&[u8]);

/// Every target with its folder in `tests/data/fuzz`.
const TARGETS: [(&str, Target); 7] = [
    ("ddl", super::ddl),
    ("events", super::events),
    ("file", super::file),
    ("gtid", super::gtid),
    ("json", super::json),
    ("payload", super::payload),
    ("rows", super::rows),
];

#[test]
fn inputs_that_broke_something_or_well_might_are_survived() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/fuzz");
    for (name, target) in TARGETS {
        let inputs = fs::read_dir(folder.join(name)).unwrap();
        let paths: Vec<_> = inputs.map(|input| input.unwrap().path()).collect();
        assert!(!paths.is_empty(), "there is no input for {name}");
        for path in paths {
            // The name is shown where it breaks.
            println!("{}", path.display());
            target(&fs::read(&path).unwrap());
        }
    }
}
