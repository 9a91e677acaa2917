use std::io::Write;

use safetensors::tensor::{Dtype, TensorView};
use tempfile::NamedTempFile;

use super::{Checkpoint, WeightsError};

fn file(tensors: &[(&str, Dtype, Vec<usize>, Vec<u8>)]) -> NamedTempFile {
    let views = tensors.iter().map(|(name, dtype, shape, bytes)| {
        (*name, TensorView::new(*dtype, shape.clone(), bytes).unwrap())
    });
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(&safetensors::serialize(views, None).unwrap()).unwrap();
    file
}

fn bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

#[test]
fn every_kind_of_float_is_read() {
    let halves = [0x3c00_u16, 0xc000].iter().flat_map(|it| it.to_le_bytes()).collect();
    let brains = [0x3f80_u16, 0xc000].iter().flat_map(|it| it.to_le_bytes()).collect();
    let doubles = [1.0_f64, -2.0].iter().flat_map(|it| it.to_le_bytes()).collect();
    let file = file(&[
        ("single", Dtype::F32, vec![2], bytes(&[1.0, -2.0])),
        ("half", Dtype::F16, vec![2], halves),
        ("brain", Dtype::BF16, vec![2], brains),
        ("double", Dtype::F64, vec![2], doubles),
    ]);
    let checkpoint = Checkpoint::open(file.path()).unwrap();
    for name in ["single", "half", "brain", "double"] {
        assert_eq!(checkpoint.floats(name, &[2]).unwrap(), [1.0, -2.0], "{name}");
    }
    checkpoint.finish().unwrap();
}

#[test]
fn a_tensor_longer_than_a_conversion_is_read_whole() {
    let values: Vec<f32> = (0..600_000).map(|idx| (idx % 1_000) as f32).collect();
    let file = file(&[("long", Dtype::F32, vec![6, 100_000], bytes(&values))]);
    let checkpoint = Checkpoint::open(file.path()).unwrap();
    assert_eq!(checkpoint.floats("long", &[6, 100_000]).unwrap(), values);
}

/// Each mistake names the file, the tensor, and is of its class.
#[test]
fn each_mistake_is_named() {
    let whole = file(&[
        ("a.weight", Dtype::F32, vec![2, 1], bytes(&[1.0, f32::NAN])),
        ("a.bias", Dtype::I64, vec![1], 7_i64.to_le_bytes().to_vec()),
        ("b.zeros", Dtype::F32, vec![2], bytes(&[0.0, 0.0])),
    ]);
    let checkpoint = Checkpoint::open(whole.path()).unwrap();
    let name = whole.path().display().to_string();
    let scope = checkpoint.root().pp("a");
    let check = |error: WeightsError, part: &str| {
        let message = error.to_string();
        assert!(message.contains(&name) && message.contains(part), "{message}");
    };
    check(scope.get("weight", &[2, 1]).unwrap_err(), "`a.weight`");
    check(scope.get("weight", &[1, 2]).unwrap_err(), "[2, 1] and not [1, 2]");
    check(scope.get("bias", &[1]).unwrap_err(), "I64");
    check(scope.get("other", &[1]).unwrap_err(), "no tensor `a.other`");
    check(checkpoint.integers("a.weight").unwrap_err(), "F32");
    check(checkpoint.finish().unwrap_err(), "b.zeros");
    assert_eq!(checkpoint.root().pp("b").get_unless_blank("zeros", &[2]).unwrap(), None);
    assert_eq!(scope.get_unless_blank("weight", &[2, 1]).unwrap(), None);
    assert_eq!(scope.get_unless_blank("other", &[2, 1]).unwrap(), None);
    assert_eq!(checkpoint.integers("a.bias").unwrap(), [7]);
    checkpoint.finish().unwrap();
}

#[test]
fn a_file_that_is_cut_or_no_such_file_at_all_is_refused() {
    let whole = file(&[("a", Dtype::F32, vec![2], bytes(&[1.0, 2.0]))]);
    let whole = std::fs::read(whole.path()).unwrap();
    let mut longer = whole.clone();
    longer.push(0);
    let mut huge_header = whole.clone();
    huge_header[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    let cases: [&[u8]; 7] = [
        b"",
        b"12345",
        &whole[..whole.len() - 1],
        &whole[..20],
        &longer,
        &huge_header,
        b"<!DOCTYPE html><title>Not found</title> and more of it",
    ];
    for bytes in cases {
        let mut file = NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        let refused = Checkpoint::open(file.path()).unwrap_err();
        assert!(matches!(refused, WeightsError::Malformed { .. }), "{refused}");
    }
    let missing = Checkpoint::open("/nowhere/at/all".as_ref()).unwrap_err();
    assert!(matches!(missing, WeightsError::Unreadable { .. }), "{missing}");
}
