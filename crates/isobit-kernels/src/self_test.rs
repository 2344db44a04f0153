//! The list of the library's own tests, which `tests/unit.rs` runs.
//!
//! They are functions of the library and not of a second build of it (`cfg(test)`): compiling these kernels takes minutes.

/// A test: its name with the module's, what it does, and what its panic says if it must panic.
pub struct SelfTest {
    /// Module and function.
    pub name: &'static str,
    /// Panics if something is wrong, or with this message if nothing is.
    pub run: fn(),
    /// Part of the message of a panic that must come.
    pub panics: Option<&'static str>,
}

/// All tests that are compiled.
#[linkme::distributed_slice]
pub static ALL: [SelfTest];

/// Puts the function of that name into the list, `panics` with what it says if it must.
macro_rules! self_test {
    ($name:ident) => {
        self_test!(@ $name, None);
    };
    ($name:ident, panics $message:literal) => {
        self_test!(@ $name, Some($message));
    };
    (@ $name:ident, $panics:expr) => {
        const _: () = {
            #[linkme::distributed_slice(crate::self_test::ALL)]
            static TEST: crate::self_test::SelfTest = crate::self_test::SelfTest {
                name: concat!(module_path!(), "::", stringify!($name)),
                run: $name,
                panics: $panics,
            };
        };
    };
}
