//! Writes the man pages and the shell completions from the flags, for packages: `cargo run --example manual FOLDER`.
//!
//! An example, so that the binary does not carry what only packaging needs.
#![allow(missing_docs, reason = "read by its first line")]

use std::path::Path;
use std::{env, fs, io};

use clap::Command;
use clap_complete::Shell;

fn main() -> io::Result<()> {
    let folder = env::args_os().nth(1).ok_or_else(|| io::Error::other("name the folder to write into"))?;
    let folder = Path::new(&folder);
    fs::create_dir_all(folder)?;
    let mut command = zookeeper_exporter::cli::command();
    command.build();
    write_pages(&command, folder)?;
    for shell in [Shell::Bash, Shell::Fish, Shell::Zsh] {
        clap_complete::generate_to(shell, &mut command, "zookeeper-exporter", folder)?;
    }
    Ok(())
}

/// A page for a command and for each below it.
fn write_pages(command: &Command, folder: &Path) -> io::Result<()> {
    let name = command.get_display_name().unwrap_or("zookeeper-exporter").to_owned();
    let mut text = Vec::new();
    clap_mangen::Man::new(command.clone()).title(&name).render(&mut text)?;
    fs::write(folder.join(format!("{name}.1")), examples_as_written(&String::from_utf8_lossy(&text)))?;
    command.get_subcommands().filter(|one| one.get_name() != "help").try_for_each(|one| write_pages(one, folder))
}

/// What clap shows after the flags, under its own heading and with its own line breaks.
fn examples_as_written(page: &str) -> String {
    let Some((before, behind)) = page.split_once(".SH EXTRA\n") else { return page.to_owned() };
    let (examples, behind) = behind.split_once(".SH ").unwrap_or((behind, ""));
    let examples = examples.replacen("Examples:\n", "", 1);
    format!("{before}.SH EXAMPLES\n.nf\n{examples}.fi\n.SH {behind}")
}
