//! How instances are called and labelled.

/// The keys under which a session writes into an instance's record.
pub mod labels {
    pub const MODULE: &str = "module";
    pub const KERNEL: &str = "kernel";
    pub const KERNEL_RELEASE: &str = "kernel_release";
    pub const KERNEL_ID: &str = "kernel_id";
    pub const IMAGE_ID: &str = "image_id";
}

/// The name of an instance that lives for one command only: `what` for people, `nonce` against collisions.
pub fn owned_name(what: &str, nonce: &str) -> String {
    let what: String = what.chars().take(40).collect();
    format!("{what}.{nonce}")
}

#[cfg(test)]
mod tests {
    #[test]
    fn an_owned_name_cannot_collide_with_a_module() {
        // Module ids have no dot.
        assert_eq!(super::owned_name("exercise-b", "c0ffee"), "exercise-b.c0ffee");
    }
}
