//! The program `isobit`: trains a small language model, quantizes models, generates text, proves the bit contract, describes and times
//! the machine.
//!
//! Results go to standard output, everything else to standard error. Exit status: 0, 1 for an error or a failed proof,
//! 2 for a command line that makes no sense.

mod activations;
mod bench;
mod generate;
mod info;
mod kv;
mod output;
mod quantize;
mod shipped;
mod train;
mod verify;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Arrays and language models that give the same bits every time.
#[derive(Parser)]
#[command(name = "isobit", version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Train a tokenizer and a small decoder on text files
    Train(Box<train::Options>),
    /// Store a model's weights in fewer bits
    Quantize(quantize::Options),
    /// Continue a prompt
    Generate(generate::Options),
    /// Prove on a model that results are the same bits however they are computed
    Verify(verify::Options),
    /// Describe this build and this machine
    Info,
    /// Time the kernels beside this machine's limits
    Bench(bench::Options),
}

fn main() -> ExitCode {
    let command = Arguments::parse().command;
    let is_proof = matches!(command, Command::Verify(_));
    let result = match command {
        Command::Train(options) => train::run(&options),
        Command::Quantize(options) => quantize::run(&options),
        Command::Generate(options) => generate::run(&options),
        Command::Verify(options) => verify::run(&options),
        Command::Info => info::run(),
        Command::Bench(options) => bench::run(&options),
    };
    match result {
        Ok(code) => code,
        // Nobody reads the rest: the end, unless something was to be proved.
        Err(_) if output::closed() => ExitCode::from(u8::from(is_proof)),
        Err(e) => {
            output::note!("error: {e}");
            ExitCode::FAILURE
        }
    }
}
