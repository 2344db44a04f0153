//! Strict mode and the levels that backends guarantee: the interface, the environment, and the table of
//! `docs/numerics.md`, which is written from the registry. To refresh: `UPDATE_NUMERICS=1 cargo test -p isobit --test
//! numerics`.

use isobit::array::apply_multi;
use isobit::backend::{Inputs, Outputs};
use isobit::numerics::{self, Level, Strict};
use isobit::prim::custom::{Custom, CustomPrimitive};
use isobit::prim::{Batched, Grads, Jvp, REGISTRY, Specs, Tangents, Vjp, Vmap};
use isobit::{Array, Dtype, Error, Prim, Result, Spec, ops, transforms};
use isobit_testing::draw::{self, Rng};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::Command;
use std::sync::Arc;

/// A user's primitive, the identity, that promises some level.
#[derive(Debug)]
struct Promises(Option<Level>);

impl CustomPrimitive for Promises {
    fn name(&self) -> &'static str {
        "promises"
    }
    fn level(&self) -> Level {
        self.0.unwrap_or(Level::Run)
    }
    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        Ok(inputs.iter().cloned().collect())
    }
    fn run(&self, inputs: Inputs, _: &[Spec]) -> Result<Outputs> {
        Ok(inputs.into_iter().collect())
    }
    fn jvp(&self, cx: &Jvp<'_>) -> Result<Tangents> {
        Ok(cx.tangents.iter().cloned().collect())
    }
    fn vjp(&self, cx: &Vjp<'_>) -> Result<Grads> {
        Ok(cx.cts.iter().cloned().collect())
    }
    fn vmap(&self, cx: &Vmap<'_>) -> Result<Batched> {
        Ok(cx.inputs.iter().cloned().zip(cx.axes.iter().copied()).collect())
    }
}

fn promise(level: Level, x: &Array) -> Array {
    apply_multi(Prim::Custom(Custom(Arc::new(Promises(Some(level))))), &[x]).unwrap().swap_remove(0)
}

#[test]
fn strict_mode_refuses_what_is_outside_the_contract() -> Result<()> {
    let x = Array::from_slice(&[1.0f32, 2.0], &[2])?;
    let loose = ops::add(&promise(Level::Run, &x), &x)?;
    {
        let _strict = Strict::on();
        let e = loose.eval().unwrap_err();
        assert_eq!(e.op(), "promises");
        assert!(e.to_string().contains("strict") && e.to_string().contains("float32"), "{e}");
        for level in [Level::Shape, Level::Isa] {
            promise(level, &x).eval()?;
        }
        // The guard is for this thread, and the innermost one counts.
        std::thread::scope(|s| s.spawn(|| assert!(!numerics::strict())).join().unwrap());
        let _off = Strict::set(false);
        promise(Level::Run, &x).eval()?;
    }
    // What was refused can be evaluated later.
    assert_eq!(loose.to_vec::<f32>()?, [2.0, 4.0]);
    // Evaluation on another thread keeps to the mode of the one that asked for it.
    let later = promise(Level::Run, &x);
    {
        let _strict = Strict::on();
        isobit::async_eval(std::slice::from_ref(&later))?;
        isobit::eval::synchronize()?;
        assert!(later.eval().is_err());
    }
    later.eval()?;
    Ok(())
}

/// On the CPU strict mode changes no bit: everything is inside the contract.
#[test]
fn strict_mode_changes_no_bit() -> Result<()> {
    let run = || -> Result<Vec<u8>> {
        let x = isobit::random::normal(&[33, 64], Dtype::F32, 0.0, 1.0, Some(&isobit::random::key(0)))?;
        let f = |a: &[Array]| {
            let y = ops::softmax(&ops::matmul(&a[0], &ops::swapaxes(&a[0], 0, 1)?)?, -1isize, false)?;
            ops::sum(&ops::square(&ops::rms_norm(&y, None, 1e-5)?)?, .., false)
        };
        let square = transforms::custom_function(|a| Ok(vec![ops::square(&a[0])?]));
        square.call(&transforms::grad(f, [0])(&[x])?)?[0].to_bytes()
    };
    let plain = run()?;
    let _strict = Strict::on();
    assert_eq!(run()?, plain);
    Ok(())
}

#[test]
fn levels_are_told() -> Result<()> {
    assert!(Level::Run < Level::Shape && Level::Shape < Level::Isa);
    assert_eq!(numerics::level_of("matmul", Dtype::F32)?, Some(Level::Isa));
    assert_eq!(numerics::level_of("custom", Dtype::F32)?, Some(Level::Isa));
    assert_eq!(numerics::level(&Prim::Custom(Custom(Arc::new(Promises(None)))), Dtype::F32)?, Level::Run);
    assert_eq!(Level::Shape.to_string(), "shape");
    Ok(())
}

/// The environment is read by a process of its own: this test again, with a variable that says what to expect.
#[test]
fn strict_mode_of_the_environment() {
    const EXPECTED: &str = "ISOBIT_TEST_STRICT_IS";
    if let Ok(expected) = std::env::var(EXPECTED) {
        assert_eq!(numerics::strict().to_string(), expected);
        let before = numerics::set_strict(true);
        assert_eq!(before.to_string(), expected);
        assert!(numerics::strict() && numerics::set_strict(false) && !numerics::strict());
        return;
    }
    let test = std::env::current_exe().unwrap();
    for (variables, expected) in [
        (&[][..], "false"),
        (&[("ISOBIT_STRICT", "1")], "true"),
        (&[("MLX_NUMERICAL_STRICT_MODE", "1")], "true"),
        (&[("ISOBIT_STRICT", "0")], "false"),
        (&[("ISOBIT_STRICT", "")], "false"),
    ] {
        let mut command = Command::new(&test);
        command.args(["--exact", "strict_mode_of_the_environment"]).env(EXPECTED, expected);
        command.env_remove("ISOBIT_STRICT").env_remove("MLX_NUMERICAL_STRICT_MODE").envs(variables.iter().copied());
        let out = command.output().unwrap();
        assert!(out.status.success(), "{variables:?}: {}", String::from_utf8_lossy(&out.stdout));
    }
}

const COLUMNS: [(&str, &[Dtype]); 7] = [
    ("bool", &[Dtype::Bool]),
    ("integers", &[Dtype::U8, Dtype::U16, Dtype::U32, Dtype::U64, Dtype::I8, Dtype::I16, Dtype::I32, Dtype::I64]),
    ("float16", &[Dtype::F16]),
    ("bfloat16", &[Dtype::BF16]),
    ("float32", &[Dtype::F32]),
    ("float64", &[Dtype::F64]),
    ("complex64", &[Dtype::C64]),
];

/// For each primitive and column the least level over its cases, where some case takes such a first input.
fn levels() -> BTreeMap<&'static str, [Option<Level>; 7]> {
    let mut rows: BTreeMap<&'static str, [Option<Level>; 7]> = BTreeMap::new();
    for entry in REGISTRY {
        let row = rows.entry(entry.name).or_default();
        for case in (entry.cases)() {
            for choice in draw::choices(&case) {
                let inputs: Vec<Array> =
                    draw::operands(&mut Rng::new("levels", 0), &case, choice).iter().map(|d| d.array()).collect();
                // The graph is built, and nothing evaluated.
                let outs = apply_multi(case.prim.clone(), &inputs.iter().collect::<Vec<_>>());
                let Ok(outs) = outs else { continue };
                let dtype = inputs.first().unwrap_or(&outs[0]).dtype();
                let level = numerics::level(&case.prim, dtype).unwrap();
                for (cell, (_, dtypes)) in row.iter_mut().zip(COLUMNS) {
                    if dtypes.contains(&dtype) {
                        *cell = Some(cell.map_or(level, |l| l.min(level)));
                    }
                }
            }
        }
    }
    rows
}

const MARK: &str = "<!-- From here on written by the test `numerics`; do not edit. -->";

fn document(name: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name)
}

fn table() -> String {
    let mut out = format!(
        "{MARK}\n\n## Levels by operation\n\nWhat the CPU backend guarantees of each primitive, by the dtype of its first \
         input (`isobit::numerics::level`); each level includes those before it in the list above. `-`: not that dtype. To \
         refresh: `UPDATE_NUMERICS=1 cargo test -p isobit --test numerics`.\n\n| primitive |"
    );
    COLUMNS.iter().for_each(|(name, _)| write!(out, " {name} |").unwrap());
    out.push_str("\n|---|---|---|---|---|---|---|---|\n");
    for (name, row) in levels() {
        write!(out, "| {name} |").unwrap();
        row.iter().for_each(|l| write!(out, " {} |", l.map_or("-", Level::name)).unwrap());
        out.push('\n');
    }
    out
}

#[test]
fn the_table_of_levels_is_that_of_the_backend() {
    let path = document("numerics.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let head = text.split(MARK).next().unwrap();
    let want = format!("{}\n\n{}", head.trim_end(), table());
    if std::env::var_os("UPDATE_NUMERICS").is_some_and(|v| v != "0") {
        std::fs::write(&path, want).unwrap();
        return;
    }
    assert!(text == want, "docs/numerics.md is stale: run UPDATE_NUMERICS=1 cargo test -p isobit --test numerics");
}

/// Every level in the table has been checked: the columns of `docs/coverage.md` that stand for it show no hole.
#[test]
fn every_level_is_one_that_the_matrix_checks() -> Result<()> {
    let text = std::fs::read_to_string(document("coverage.md")).map_err(|e| Error::io("coverage", e.to_string()))?;
    let cells = |line: &str| line.split('|').map(|c| c.trim().to_string()).collect::<Vec<_>>();
    let mut lines = text.lines().filter(|l| l.starts_with('|'));
    let header = cells(lines.next().unwrap());
    let rows: BTreeMap<String, Vec<String>> = lines.map(cells).map(|row| (row[1].clone(), row)).collect();
    for (name, row) in levels() {
        let checked = rows.get(name).unwrap_or_else(|| panic!("{name} is not in docs/coverage.md"));
        let level = row.into_iter().flatten().max();
        let columns: &[&str] = match level {
            Some(Level::Isa) => &["layout", "vmap", "large", "bits"],
            Some(Level::Shape) => &["layout", "vmap", "large"],
            _ => &[],
        };
        for column in columns {
            let at = header.iter().position(|c| c == column).unwrap();
            assert!(
                ["+", "-"].contains(&checked[at].as_str()),
                "{name} guarantees {level:?} but {column} does not hold"
            );
        }
    }
    Ok(())
}
