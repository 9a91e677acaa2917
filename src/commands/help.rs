//! `speakerd completions` and `speakerd man`: made from the command line's own description, so that they are never behind.

use std::io::Write;

use crate::cli::{Completions, description};

/// Prints the completions for a shell.
///
/// # Errors
/// Where nobody reads them.
pub fn completions(arguments: &Completions) -> anyhow::Result<()> {
    let mut printed = Vec::new();
    clap_complete::generate(arguments.shell, &mut description(), "speakerd", &mut printed);
    std::io::stdout().write_all(&printed)?;
    Ok(())
}

/// Prints the manual page: all commands in one.
///
/// # Errors
/// Where nobody reads it.
pub fn man() -> anyhow::Result<()> {
    let mut command = description();
    command.build(); // with what clap adds to each command
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut page)?;
    for subcommand in
        command.get_subcommands().filter(|it| it.get_name() != "help" && !it.is_hide_set())
    {
        let name = subcommand.get_name();
        writeln!(page, ".SH \"{}\"", name.to_uppercase())?;
        let man = clap_mangen::Man::new(subcommand.clone());
        man.render_description_section(&mut page)?;
        man.render_synopsis_section(&mut page)?;
        man.render_options_section(&mut page)?;
    }
    std::io::stdout().write_all(&page)?;
    Ok(())
}
