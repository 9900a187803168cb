//! Writes sound inputs for each target, a directory each, below the directory that is given; prints the targets' names.

fn main() -> std::io::Result<()> {
    let corpus = std::path::PathBuf::from(std::env::args().nth(1).expect("a directory"));
    for target in actors::fuzz::TARGETS {
        let directory = corpus.join(target.name);
        std::fs::create_dir_all(&directory)?;
        for (number, bytes) in (target.seeds)().iter().enumerate() {
            std::fs::write(directory.join(format!("seed-{number}")), bytes)?;
        }
        println!("{}", target.name);
    }
    Ok(())
}
