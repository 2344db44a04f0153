//! `#[derive(Module)]`: walks the fields of a struct as a named parameter tree.
//!
//! Every field takes part unless it is marked `#[module(skip)]`, so that a forgotten field is a compile error (its type
//! does not implement `Module`) and never a parameter that silently is not trained or not saved. The macro knows no
//! layer and no array: what a field means is decided by its type's own `Module` implementation.

use proc_macro::TokenStream;
use quote::quote;
use syn::{Data, DeriveInput, Field, Fields, LitStr, parse_macro_input};

/// Implements `isobit_nn::Module` for a struct with named fields.
///
/// Field attributes: `#[module(skip)]` leaves a field out (settings of a foreign type, constant arrays);
/// `#[module(name = "gamma")]` gives its parameters another name than the field's; `#[module(frozen)]` keeps them from being
/// trained, all that lies below the field included.
#[proc_macro_derive(Module, attributes(module))]
pub fn derive_module(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand(&input).unwrap_or_else(syn::Error::into_compile_error).into()
}

struct Options {
    skip: bool,
    frozen: bool,
    name: Option<String>,
}

fn options(field: &Field) -> syn::Result<Options> {
    let mut out = Options { skip: false, frozen: false, name: None };
    for attr in field.attrs.iter().filter(|a| a.path().is_ident("module")) {
        attr.parse_nested_meta(|meta| {
            if meta.path.is_ident("skip") {
                out.skip = true;
                Ok(())
            } else if meta.path.is_ident("frozen") {
                out.frozen = true;
                Ok(())
            } else if meta.path.is_ident("name") {
                let name: LitStr = meta.value()?.parse()?;
                if name.value().is_empty() || name.value().contains('.') {
                    return Err(syn::Error::new(name.span(), "expected a name without dots"));
                }
                out.name = Some(name.value());
                Ok(())
            } else {
                Err(meta.error("expected `skip`, `frozen` or `name = \"...\"`"))
            }
        })?;
    }
    Ok(out)
}

fn expand(input: &DeriveInput) -> syn::Result<proc_macro2::TokenStream> {
    let Data::Struct(data) = &input.data else {
        return Err(syn::Error::new_spanned(&input.ident, "Module can be derived for structs only"));
    };
    let fields = match &data.fields {
        Fields::Named(f) => f.named.iter().collect::<Vec<_>>(),
        Fields::Unit => Vec::new(),
        Fields::Unnamed(_) => {
            return Err(syn::Error::new_spanned(
                &input.ident,
                "Module needs named fields: their names are the parameters' names",
            ));
        }
    };
    let (mut reads, mut writes, mut trained, mut layers) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for field in fields {
        let opts = options(field)?;
        if opts.skip {
            continue;
        }
        let Some(ident) = &field.ident else { continue };
        let name = opts.name.unwrap_or_else(|| ident.to_string().trim_start_matches("r#").to_owned());
        let ty = &field.ty;
        reads.push(quote! {
            path.within(#name, |path| <#ty as ::isobit_nn::Module>::visit(&self.#ident, path, f));
        });
        writes.push(quote! {
            path.within(#name, |path| <#ty as ::isobit_nn::Module>::visit_mut(&mut self.#ident, path, f));
        });
        if !opts.frozen {
            trained.push(quote! {
                path.within(#name, |path| <#ty as ::isobit_nn::Module>::visit_trainable(&self.#ident, path, f));
            });
        }
        layers.push(quote! {
            path.within(#name, |path| <#ty as ::isobit_nn::Module>::visit_quantizable(&mut self.#ident, path, f));
        });
    }
    let ident = &input.ident;
    let (generics, type_generics, clause) = input.generics.split_for_impl();
    Ok(quote! {
        #[automatically_derived]
        impl #generics ::isobit_nn::Module for #ident #type_generics #clause {
            #[allow(unused_variables)]
            fn visit(&self, path: &mut ::isobit_nn::Path, f: &mut dyn FnMut(&str, &::isobit_nn::Array)) {
                #(#reads)*
            }
            #[allow(unused_variables)]
            fn visit_mut(&mut self, path: &mut ::isobit_nn::Path, f: &mut dyn FnMut(&str, &mut ::isobit_nn::Array)) {
                #(#writes)*
            }
            #[allow(unused_variables)]
            fn visit_trainable(&self, path: &mut ::isobit_nn::Path, f: &mut dyn FnMut(&str, &::isobit_nn::Array)) {
                #(#trained)*
            }
            #[allow(unused_variables)]
            fn visit_quantizable(
                &mut self,
                path: &mut ::isobit_nn::Path,
                f: &mut dyn FnMut(&str, &mut dyn ::isobit_nn::Quantizable),
            ) {
                #(#layers)*
            }
        }
    })
}
