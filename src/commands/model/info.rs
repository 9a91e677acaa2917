//! `speakerd model info`: what a model is made of, and which of its tensors 8 bits leave as they are.

#![expect(clippy::print_stdout, reason = "the answer goes to standard output")]

use std::path::{Path, PathBuf};

use anyhow::bail;
use serde::Serialize;

use super::manifest::Manifest;
use super::progress::size;
use crate::cli::Info;
use crate::engine::pocket::catalogue;
use crate::engine::pocket::config::{FlowKind, ModelConfig};
use crate::engine::pocket::fast::inspection::{Inspection, Tensor};
use crate::engine::pocket::files::{HubCache, ModelFiles};
use crate::engine::pocket::shelf::{Shelf, is_name, predefined_in};
use crate::paths::Paths;

#[derive(Debug, Serialize)]
struct Report {
    name: String,
    dir: PathBuf,
    language: &'static str,
    architecture: Architecture,
    parameters: usize,
    /// Of these, the share that 8 bits are for.
    in_eight_bits: usize,
    can_clone: bool,
    voices: Vec<String>,
    files: Vec<ModelFile>,
    /// What stays in floats of 32 bits when the weights are kept in 8 bits.
    kept_in_f32: Vec<KeptTensor>,
}

#[derive(Debug, Serialize)]
struct Architecture {
    layers: usize,
    width: usize,
    heads: usize,
    key_value_heads: usize,
    feed_forward: usize,
    text_tokens: usize,
    flow: &'static str,
    flow_width: usize,
    flow_blocks: usize,
    latent: usize,
    sample_rate_hz: u32,
    decoder_layers: usize,
}

#[derive(Debug, Serialize)]
struct ModelFile {
    path: String,
    size_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<String>,
}

#[derive(Debug, Serialize)]
struct KeptTensor {
    tensor: String,
    shape: Vec<usize>,
    why: String,
    only_for_cloning: bool,
}

/// Runs `speakerd model info`.
///
/// # Errors
/// Where there is no such model, or it cannot be loaded.
pub fn run(arguments: &Info, paths: &Paths) -> anyhow::Result<()> {
    let shelf = Shelf::new(paths.models_dir());
    let dir = dir_of(&arguments.model, &shelf)?;
    let files = ModelFiles::find(&dir, &HubCache::of_this_user())?;
    let report = report(dir, files)?;
    if arguments.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        show(&report);
    }
    Ok(())
}

/// An installed model goes before a directory of that name.
fn dir_of(model: &Path, shelf: &Shelf) -> anyhow::Result<PathBuf> {
    let name = model.to_str().filter(|name| is_name(name) && shelf.is_installed(name));
    if let Some(dir) = name.and_then(|name| shelf.dir_of(name)) {
        return Ok(dir);
    }
    if model.join("config.yaml").is_file() {
        return Ok(model.to_owned());
    }
    bail!(
        "`{}` is neither an installed model nor a directory with a `config.yaml`; `speakerd model list` shows those there are",
        model.display()
    )
}

fn report(dir: PathBuf, files: ModelFiles) -> anyhow::Result<Report> {
    let name = std::path::absolute(&dir)?;
    let name = name.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let manifest = Manifest::read(&dir)?.unwrap_or_default();
    let voices = predefined_in(&dir);
    let listed = files_of(&dir, &files, &manifest);
    let architecture = architecture(&files.config);
    let seen = Inspection::of(files)?;
    let kept = |it: Tensor| KeptTensor {
        tensor: it.name,
        shape: it.shape,
        why: it.why,
        only_for_cloning: it.is_of_cloning,
    };
    Ok(Report {
        language: catalogue::language_of(&name),
        name,
        dir,
        architecture,
        parameters: seen.n_parameters,
        in_eight_bits: seen.n_in_eight_bits,
        can_clone: seen.can_clone,
        voices,
        files: listed,
        kept_in_f32: seen.as_they_are.into_iter().map(kept).collect(),
    })
}

fn architecture(config: &ModelConfig) -> Architecture {
    let (backbone, flow) = (&config.flow_lm.transformer, &config.flow_lm.flow);
    Architecture {
        layers: backbone.n_layers,
        width: backbone.d_model,
        heads: backbone.n_heads,
        key_value_heads: backbone.n_kv_heads,
        feed_forward: backbone.d_ff,
        text_tokens: config.flow_lm.n_bins,
        flow: match flow.kind {
            FlowKind::Lsd => "lsd",
            FlowKind::FlowMatching => "flow_matching",
            FlowKind::Drifting => "drifting",
            FlowKind::Pointwise => "pointwise",
        },
        flow_width: flow.dim,
        flow_blocks: flow.depth,
        latent: config.mimi.latent_dim,
        sample_rate_hz: config.mimi.sample_rate_hz,
        decoder_layers: config.mimi.decoder.transformer.n_layers,
    }
}

fn files_of(dir: &Path, files: &ModelFiles, manifest: &Manifest) -> Vec<ModelFile> {
    let named = |path: &Path| {
        let within = path.strip_prefix(dir).unwrap_or(path).display().to_string();
        let entry = manifest.files.get(&within);
        ModelFile {
            size_bytes: path.metadata().map_or(0, |it| it.len()),
            source: entry.map(|entry| entry.source.clone()),
            revision: entry.and_then(|entry| entry.revision.clone()),
            path: within,
        }
    };
    let model = [&files.config.path, &files.weights, &files.tokenizer].map(|path| named(path));
    let voices =
        manifest.voices().map(|voice| named(&dir.join(super::manifest::voice_file(voice))));
    model.into_iter().chain(voices).collect()
}

fn show(report: &Report) {
    let Report { architecture: it, .. } = report;
    println!("{}, {}, in {}", report.name, report.language, report.dir.display());
    println!(
        "language model  {} layers of {}, {} heads ({} for keys), feed-forward {}, {} text tokens",
        it.layers, it.width, it.heads, it.key_value_heads, it.feed_forward, it.text_tokens
    );
    println!("flow            {}, {} blocks of {}", it.flow, it.flow_blocks, it.flow_width);
    println!(
        "codec           latents of {}, {} Hz, {} layers to decode",
        it.latent, it.sample_rate_hz, it.decoder_layers
    );
    println!(
        "parameters      {:.1} million, {:.1} million of them in 8 bits",
        report.parameters as f64 / 1e6,
        report.in_eight_bits as f64 / 1e6
    );
    println!(
        "cloning         {}",
        if report.can_clone { "yes" } else { "no: without the voice encoder" }
    );
    match report.voices.as_slice() {
        [] => println!("voices          none"),
        voices => println!("voices          {}", voices.join(", ")),
    }
    println!("files");
    for file in &report.files {
        let from = file.source.as_ref().map_or_else(String::new, |source| format!(", {source}"));
        println!("  {}, {}{from}", file.path, size(file.size_bytes));
    }
    println!("in 8-bit mode these stay in f32");
    let (of_cloning, others): (Vec<_>, Vec<_>) =
        report.kept_in_f32.iter().partition(|tensor| tensor.only_for_cloning);
    for KeptTensor { tensor, shape, why, .. } in others {
        println!("  {tensor} {shape:?}: {why}");
    }
    if let Some(first) = of_cloning.first() {
        println!(
            "  {} tensors that only cloning needs: {} (--json lists them)",
            of_cloning.len(),
            first.why
        );
    }
}
