//! `strongroom completions` and `strongroom man`: documents made from the definition of the command line, so that they say what the binary does.

use std::path::Path;
use std::process::ExitCode;

use clap::CommandFactory;

use crate::args::Cli;
use crate::failure::Failure;
use crate::output;

/// Prints the completion script of a shell.
pub(crate) fn completions(shell: clap_complete::Shell) -> Result<ExitCode, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "strongroom", &mut script);
    output::print(&String::from_utf8_lossy(&script))?;
    Ok(ExitCode::SUCCESS)
}

/// Prints the page of strongroom(1); into a directory writes that, `strongroom.1`, and a page for each command, such as `strongroom-policy-check.1`.
pub(crate) fn man(directory: Option<&Path>) -> Result<ExitCode, Failure> {
    let mut command = Cli::command();
    command.build();
    let Some(directory) = directory else {
        output::print(&page(&command)?)?;
        return Ok(ExitCode::SUCCESS);
    };
    let failed =
        |path: &Path, error: std::io::Error| Failure::failed(format!("man pages in {}: {error}", path.display()));
    std::fs::create_dir_all(directory).map_err(|error| failed(directory, error))?;
    let mut commands = vec![&command];
    while let Some(command) = commands.pop() {
        commands.extend(command.get_subcommands());
        let name = command.get_display_name().unwrap_or(command.get_name());
        let file = directory.join(format!("{name}.1"));
        std::fs::write(&file, page(command)?).map_err(|error| failed(&file, error))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A page whose synopsis is the usage line: what is required, and in which order.
fn page(command: &clap::Command) -> Result<String, Failure> {
    let mut page = Vec::new();
    // The manual's usual name is so long that it runs into those of our commands.
    clap_mangen::Man::new(command.clone())
        .manual("Strongroom")
        .source(concat!("strongroom ", env!("CARGO_PKG_VERSION")))
        // An empty one would be no argument at all, and the source would stand in its place.
        .date(" ")
        .render(&mut page)
        .map_err(|error| Failure::failed(format!("the man page can't be made: {error}")))?;
    let page = in_sections(String::from_utf8_lossy(&page).into_owned());
    let usage = command.clone().render_usage().to_string();
    let usage: Vec<&str> = usage.trim_start_matches("Usage:").lines().map(str::trim).collect();
    let synopsis = usage.join("\n.br\n").replace('\\', "\\e").replace('-', "\\-");
    let Some((before, rest)) = page.split_once(SYNOPSIS) else { return Ok(page) };
    let after = rest.find("\n.SH ").and_then(|end| rest.get(end..)).unwrap_or_default();
    Ok(format!("{before}{SYNOPSIS}{synopsis}{after}"))
}

const SYNOPSIS: &str = ".SH SYNOPSIS\n";

/// Puts what stands below a command's help into the sections that it belongs to (man-pages(7)), with examples that can be copied, and lets no name of a variable be hyphenated.
fn in_sections(page: String) -> String {
    const BELOW: &str = "\n.SH EXTRA\n";
    const DESCRIPTION: &str = ".SH DESCRIPTION\n";
    let page = page.replacen("\n.SH NAME\n", "\n.nh\n.ad l\n.SH NAME\n", 1);
    let Some((before, rest)) = page.split_once(BELOW) else { return page };
    let (below, after) = rest.split_at(rest.find("\n.SH ").unwrap_or(rest.len()));
    let (mut notes, mut status, mut examples) = (String::new(), String::new(), String::new());
    for paragraph in below.split("\n\n").map(str::trim).filter(|it| !it.is_empty()) {
        if let Some(lines) = paragraph.strip_prefix("Example: ") {
            let lines: Vec<&str> = lines.lines().map(str::trim).collect();
            examples.push_str(&format!("\n.SH EXAMPLES\n.nf\n{}\n.fi", lines.join("\n")));
        } else if let Some(codes) = paragraph.strip_prefix("Exit codes: ") {
            status.push_str(&format!("\n.SH EXIT STATUS\n{codes}"));
        } else {
            notes.push_str(&format!("\n.PP\n{paragraph}"));
        }
    }
    let before = match before.split_once(DESCRIPTION) {
        Some((head, described)) => {
            let (about, options) = described.split_at(described.find("\n.SH ").unwrap_or(described.len()));
            format!("{head}{DESCRIPTION}{about}{notes}{options}")
        }
        None => format!("{before}{notes}"),
    };
    format!("{before}{status}{examples}{after}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_its_completion_its_page_and_an_example() {
        let mut command = Cli::command();
        command.build();
        let mut script = Vec::new();
        clap_complete::generate(clap_complete::Shell::Bash, &mut Cli::command(), "strongroom", &mut script);
        let script = String::from_utf8(script).unwrap();
        let (mut commands, mut seen) = (vec![&command], 0);
        while let Some(command) = commands.pop() {
            commands.extend(command.get_subcommands());
            let name = command.get_display_name().unwrap_or(command.get_name());
            let help = command.clone().render_long_help().to_string();
            assert!(help.contains("Example: strongroom "), "{name}: {help}");
            let page = page(command).unwrap();
            assert!(page.contains(&format!(".TH {name} 1 ")) && !page.contains("EXTRA"), "{page}");
            assert!(page.contains("\n.SH EXAMPLES\n.nf\nstrongroom ") && !page.contains("Example: "), "{page}");
            let usage = command.clone().render_usage().to_string();
            let line = usage.split(['[', '<']).next().unwrap().trim_start_matches("Usage:").trim().to_owned();
            let (_, below) = line.split_once(' ').unwrap_or_default();
            let path: String = below
                .split(' ')
                .filter(|word| !word.is_empty())
                .map(|word| format!("__subcmd__{}", word.replace('-', "__subcmd__")))
                .collect();
            assert!(script.contains(&format!("strongroom{path})")), "no completion of {line}: strongroom{path}");
            seen += 1;
        }
        assert!(seen > 60, "{seen} commands");
    }

    #[test]
    fn what_stands_below_the_help_has_sections_of_its_own() {
        let mut command = Cli::command();
        command.build();
        let fsck = page(command.find_subcommand("fsck").unwrap()).unwrap();
        let places = [
            "\n.nh\n.ad l\n.SH NAME\n",
            "\n.SH DESCRIPTION\n",
            "\n.PP\nIt changes nothing",
            "\n.SH OPTIONS\n",
            "\n.SH EXIT STATUS\n0 nothing is wrong; 1 ",
            "\n.SH EXAMPLES\n.nf\nstrongroom fsck ./strongroom\\-data\nstrongroom fsck ./strongroom\\-data \\-\\-repair\\-index\n.fi\n",
        ]
        .map(|part| fsck.find(part).unwrap_or_else(|| panic!("no {part} in {fsck}")));
        assert!(places.is_sorted(), "{places:?} in {fsck}");
    }

    #[test]
    fn a_page_says_what_is_required_and_in_which_order() {
        let mut command = Cli::command();
        command.build();
        let backup = command.find_subcommand("backup").unwrap();
        let page = page(backup).unwrap();
        assert!(page.contains(".SH SYNOPSIS\nstrongroom backup [OPTIONS] <DIR> <DEST>\n.SH DESCRIPTION\n"), "{page}");
        assert!(page.starts_with(".ie") && page.contains(".TH strongroom-backup 1 \" \" \"strongroom "), "{page}");
    }
}
