use std::fs;
use std::path::Path;

#[test]
fn conversations_that_broke_something_or_well_might_are_survived() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/fuzz/packets");
    let mut paths = fs::read_dir(folder).unwrap().map(|input| input.unwrap().path()).peekable();
    assert!(paths.peek().is_some(), "there is no input");
    for path in paths {
        // The name is shown where it breaks.
        println!("{}", path.display());
        super::packets(&fs::read(&path).unwrap(), |_| {});
    }
}
