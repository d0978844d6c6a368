//! Built and run by cargo before the package: tells the linker what makes the program smaller.

fn main() {
    println!("cargo::rerun-if-changed=scripts/link.rs");
    let of_target = |what| std::env::var(format!("CARGO_CFG_TARGET_{what}")).unwrap_or_default();
    if of_target("OS") == "linux" && of_target("ENV") == "gnu" {
        // The places that depend on where the program is loaded, as bits instead of 24 bytes for each: 0.4 MB of the file,
        // and of memory, since all of them are read at the start. Needs glibc 2.36 to run; linkers that do not know it leave
        // it out. Not with musl, which knows it only since 1.2.4.
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}
