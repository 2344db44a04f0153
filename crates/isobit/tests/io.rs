//! Files: what is written comes back, what is broken is refused with a reason.
use isobit::io::npy::{read_npy, write_npy};
use isobit::io::{load_npy, load_safetensors, save_npy, save_safetensors};
use isobit::{Array, Dtype, ErrorKind, ops};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// A directory of its own for each test, removed at the end.
struct Dir(PathBuf);
impl Dir {
    fn new(name: &str) -> Dir {
        let dir = std::env::temp_dir().join(format!("isobit-io-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        Dir(dir)
    }
}
impl Drop for Dir {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

fn one_of_each() -> BTreeMap<String, Array> {
    let real = Dtype::ALL.into_iter().filter(|&d| d != Dtype::C64);
    let mut all: BTreeMap<String, Array> = real
        .map(|d| {
            let x = Array::from_slice(&[0.0f32, 1.0, -2.5, 100.25, 0.0, 7.0], &[2, 3]).unwrap();
            (format!("a \"{d}\"\n"), ops::astype(&x, d).unwrap())
        })
        .collect();
    all.insert("scalar".into(), Array::scalar(3.5, Dtype::F64));
    let parts: Vec<u8> = [1.0f32, -0.0, f32::NAN, 2.5].iter().flat_map(|x| x.to_le_bytes()).collect();
    all.insert("complex".into(), Array::from_bytes(&parts, &[2], Dtype::C64).unwrap());
    all.insert("empty".into(), ops::zeros(&[0, 4], Dtype::F32).unwrap());
    all.insert("strided".into(), ops::transpose(&all["a \"float32\"\n"], ..).unwrap());
    all
}

#[track_caller]
fn same(a: &Array, b: &Array) {
    assert_eq!((a.shape(), a.dtype()), (b.shape(), b.dtype()));
    assert_eq!(a.to_bytes().unwrap(), b.to_bytes().unwrap());
}

#[test]
fn safetensors_round_trip() {
    let dir = Dir::new("round");
    let path = dir.0.join("x.safetensors");
    let arrays = one_of_each();
    let metadata = BTreeMap::from([("format".to_string(), "m\u{1}\\\"x".to_string()), ("ü".into(), "".into())]);
    save_safetensors(&path, &arrays, &metadata).unwrap();
    let first = std::fs::read(&path).unwrap();
    let (got, meta) = load_safetensors(&path).unwrap();
    assert_eq!(meta, metadata);
    assert!(got.keys().eq(arrays.keys()));
    for (name, a) in &got {
        same(a, &arrays[name]);
    }
    // Replacing the file leaves arrays of the old one alone; equal contents give equal bytes.
    save_safetensors(&path, &got, &meta).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), first);
    for (name, a) in got.iter().filter(|(_, a)| a.dtype() != Dtype::C64) {
        same(&ops::add(a, a).unwrap(), &ops::add(&arrays[name], &arrays[name]).unwrap());
    }
    assert_eq!(std::fs::read_dir(&dir.0).unwrap().count(), 1, "a temporary file is left");
}

#[test]
fn broken_safetensors_are_refused() {
    let dir = Dir::new("broken");
    let path = dir.0.join("x.safetensors");
    let a = Array::from_slice(&[1.0f32, 2.0, 3.0], &[3]).unwrap();
    save_safetensors(&path, &BTreeMap::from([("w".to_string(), a)]), &BTreeMap::new()).unwrap();
    let good = std::fs::read(&path).unwrap();
    let refused = |bytes: &[u8], why: &str| {
        std::fs::write(&path, bytes).unwrap();
        let e = load_safetensors(&path).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Io);
        assert!(e.to_string().contains(why) && e.to_string().contains("x.safetensors"), "{e}");
    };
    for cut in 0..good.len() {
        refused(&good[..cut], if cut == 0 { "empty" } else { "truncated" });
    }
    refused(&[&good[..], &[0]].concat(), "bytes to spare");
    let file = |json: &str, data: &[u8]| [&(json.len() as u64).to_le_bytes(), json.as_bytes(), data].concat();
    refused(&file("{\"w\":", &[]), "malformed header");
    refused(&file(r#"{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}"#, &[0; 4]), "malformed header");
    refused(&file(r#"{"w":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#, &[0; 8]), "malformed header");
    refused(&file(r#"{"w":{"dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,0]}}"#, &[]), "malformed");
    refused(&file(r#"{"w":{"dtype":"F4","shape":[2],"data_offsets":[0,1]}}"#, &[0; 1]), "\"w\" has dtype F4");
    refused(&file(r#"{"w":{"dtype":"BOOL","shape":[1],"data_offsets":[0,1]}}"#, &[2]), "other than 0 and 1");
    refused(&u64::MAX.to_le_bytes(), "too large");
    assert!(load_safetensors(dir.0.join("none")).unwrap_err().to_string().contains("none"));
}

#[test]
fn misaligned_tensors_are_read_too() {
    let dir = Dir::new("misaligned");
    let path = dir.0.join("x.safetensors");
    for pad in 0..9 {
        let json = r#"{"b":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"w":{"dtype":"F32","shape":[2],"data_offsets":[1,9]}}"#;
        let json = format!("{json}{}", " ".repeat(pad));
        let data = [&[7u8][..], &1.5f32.to_le_bytes(), &(-2.0f32).to_le_bytes()].concat();
        std::fs::write(&path, [&(json.len() as u64).to_le_bytes(), json.as_bytes(), &data].concat()).unwrap();
        let (got, _) = load_safetensors(&path).unwrap();
        // Copied when it is evaluated, and not before; also if the file has gone by then.
        let (start, size) = (8 + json.len() + 1, got["w"].dtype().size());
        assert_eq!(got["w"].is_evaluated(), start % size == 0);
        std::fs::remove_file(&path).unwrap();
        let doubled = isobit::transforms::grad(|a| ops::sum(&ops::multiply(&a[0], &got["w"])?, .., false), [0]);
        assert_eq!(doubled(&[got["w"].clone()]).unwrap()[0].to_vec::<f32>().unwrap(), [1.5, -2.0]);
        assert_eq!(got["w"].to_vec::<f32>().unwrap(), [1.5, -2.0]);
        assert_eq!(got["b"].to_vec::<u8>().unwrap(), [7]);
    }
}

#[test]
fn a_failed_save_keeps_the_old_file() {
    let dir = Dir::new("failed");
    let path = dir.0.join("x.npy");
    std::fs::write(&path, b"old").unwrap();
    let e = save_npy(dir.0.join("no").join("x.npy"), &Array::scalar(1, Dtype::I32)).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Io);
    // A new file that is complete and cannot take its place.
    let taken = dir.0.join("taken");
    std::fs::create_dir(&taken).unwrap();
    std::fs::rename(&path, taken.join("x.npy")).unwrap();
    assert_eq!(save_npy(&taken, &Array::scalar(1, Dtype::I32)).unwrap_err().kind(), ErrorKind::Io);
    assert_eq!(std::fs::read(taken.join("x.npy")).unwrap(), b"old");
    assert_eq!(std::fs::read_dir(&dir.0).unwrap().count(), 1, "a temporary file is left");
}

#[test]
fn npy_round_trip_and_numpys_own_variants() {
    let dir = Dir::new("npy");
    for a in one_of_each().values() {
        save_npy(dir.0.join("x.npy"), a).unwrap();
        same(&load_npy(dir.0.join("x.npy")).unwrap(), a);
    }
    let mut bytes = Vec::new();
    write_npy(&mut bytes, &Array::from_slice(&[1i16, 2], &[2]).unwrap()).unwrap();
    let text = "{'descr': '<i2', 'fortran_order': False, 'shape': (2,), }";
    assert_eq!(&bytes[10..10 + text.len()], text.as_bytes());
    assert_eq!((bytes.len(), bytes[127], &bytes[128..]), (132, b'\n', &[1, 0, 2, 0][..]));
    let file = |version: u8, header: &str, data: &[u8]| {
        let len: Vec<u8> = match version {
            1 => (header.len() as u16).to_le_bytes().to_vec(),
            _ => (header.len() as u32).to_le_bytes().to_vec(),
        };
        [b"\x93NUMPY", &[version, 0][..], &len, header.as_bytes(), data].concat()
    };
    let read = |bytes: Vec<u8>| read_npy(&mut &bytes[..]);
    let fortran =
        file(2, "{'shape': (2, 3), 'fortran_order': True, 'descr': '>u2'}\n", &[0, 1, 0, 4, 0, 2, 0, 5, 0, 3, 0, 6]);
    let got = read(fortran).unwrap();
    assert_eq!((got.shape(), got.to_vec::<u16>().unwrap()), (&[2usize, 3][..], vec![1, 2, 3, 4, 5, 6]));
    // A file is read when its array is evaluated, and only then found to be too short.
    let path = dir.0.join("short.npy");
    std::fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    let short = load_npy(&path).unwrap();
    let e = isobit::ops::add(&short, &short).unwrap().eval().unwrap_err();
    assert!(e.kind() == ErrorKind::Io && e.to_string().contains("short.npy: truncated"), "{e}");
    std::fs::write(&path, file(1, "{'descr': '>u2', 'fortran_order': True, 'shape': (2, 1)}", &[1, 0, 0, 2])).unwrap();
    let got = load_npy(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert_eq!((got.shape(), got.to_vec::<u16>().unwrap()), (&[2usize, 1][..], vec![256, 2]));
    assert_eq!(load_npy(&path).unwrap_err().kind(), ErrorKind::Io);
    for (bytes, why) in [
        (b"PK\x03\x04".to_vec(), "no npy file"),
        (bytes[..bytes.len() - 1].to_vec(), "truncated"),
        (bytes[..9].to_vec(), "truncated"),
        (file(4, "", &[]), "version"),
        (file(1, "{'descr': '>c8', 'fortran_order': False, 'shape': ()}", &[0; 8]), "counterpart"),
        (file(1, "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': ()}", &[0; 8]), "plain"),
        (file(1, "{'descr': '<f4', 'fortran_order': 0, 'shape': ()}", &[0; 8]), "fortran_order"),
        (file(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}", &[0; 8]), "size"),
        (file(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999, 99999999999)}", &[]), "too many"),
    ] {
        let e = read(bytes).unwrap_err();
        assert!(e.to_string().contains(why), "{e}");
    }
}
