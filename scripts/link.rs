//! Built and run by cargo before the package: what of the program is no Rust, on Linux with glibc.

fn main() {
    println!("cargo::rerun-if-changed=scripts/link.rs");
    println!("cargo::rerun-if-changed=scripts/malloc.c");
    let of_target = |what| std::env::var(format!("CARGO_CFG_TARGET_{what}")).unwrap_or_default();
    if of_target("OS") == "linux" && of_target("ENV") == "gnu" {
        // The places that depend on where the program is loaded, as bits instead of 24 bytes for each: 0.4 MB of the file,
        // and of memory, since all of them are read at the start. Needs glibc 2.36 to run; linkers that do not know it leave
        // it out. Not with musl, which knows it only since 1.2.4.
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
        // The object itself: out of a library, the linker would take nothing that nobody asks for.
        for object in cc::Build::new().file("scripts/malloc.c").compile_intermediates() {
            println!("cargo::rustc-link-arg-bins={}", object.display());
        }
    }
}
