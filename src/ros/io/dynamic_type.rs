//! Message types that were not there at build: their type support is loaded from the ROS that is
//! sourced, so that one binary runs with and without the packages they belong to.

use std::ffi::{CStr, CString, c_char, c_void};
use std::path::Path;
use std::sync::atomic::{AtomicPtr, Ordering};

use r2r_rcl::rosidl_message_type_support_t as TypeSupport;

/// `rosidl_typesupport_introspection_c__MessageMembers`, as far as it is the same in every ROS 2.
#[repr(C)]
struct MessageMembers {
    namespace: *const c_char,
    name: *const c_char,
    count: u32,
    size: usize,
}

/// A message's type support, once it was found.
pub struct DynamicType(AtomicPtr<TypeSupport>);

impl DynamicType {
    /// Not looked for yet.
    pub const fn new() -> DynamicType {
        DynamicType(AtomicPtr::new(std::ptr::null_mut()))
    }

    /// Looks for it; a sentence where its package is not there, or the message has not `fields`
    /// fields in as many bytes of C as `C` has.
    pub fn load<C>(&self, package: &str, message: &str, fields: u32) -> Result<(), String> {
        let found = find(package, message, fields, size_of::<C>())?;
        self.0.store(found.cast_mut(), Ordering::Release);
        Ok(())
    }

    /// # Panics
    /// If it was not found before.
    pub fn get(&self) -> &'static TypeSupport {
        let found = self.0.load(Ordering::Acquire);
        assert!(!found.is_null(), "Found::load comes first");
        // SAFETY: `load` stored it: a type support lives in its library, which is never closed.
        unsafe { &*found }
    }
}

fn find(
    package: &str,
    message: &str,
    fields: u32,
    size: usize,
) -> Result<*const TypeSupport, String> {
    let introspection = support("rosidl_typesupport_introspection_c", package, message)?;
    // SAFETY: `support` returns a type support, and the data of one for introspection is its
    // description, which begins with these members and lives as long as the library.
    let described = unsafe { &*((*introspection).data as *const MessageMembers) };
    if (described.count, described.size) != (fields, size) {
        return Err(format!(
            "{package}/msg/{message} has {} fields in {} bytes, expected {fields} in {size}",
            described.count, described.size
        ));
    }
    support("rosidl_typesupport_c", package, message)
}

/// Calls the function by which rosidl hands out a message's type support.
fn support(kind: &str, package: &str, message: &str) -> Result<*const TypeSupport, String> {
    let library = open(&format!("lib{package}__{kind}.so"))?;
    let name = format!("{kind}__get_message_type_support_handle__{package}__msg__{message}");
    let symbol = CString::new(name.clone()).map_err(|error| error.to_string())?;
    // SAFETY: an open library and a terminated name.
    let function = unsafe { libc::dlsym(library, symbol.as_ptr()) };
    if function.is_null() {
        return Err(format!("lib{package}__{kind}.so has no {name}"));
    }
    // SAFETY: rosidl generates every function of this name with this signature.
    let function: extern "C" fn() -> *const TypeSupport = unsafe { std::mem::transmute(function) };
    let found = function();
    match found.is_null() {
        true => Err(format!("{name} returned nothing")),
        false => Ok(found),
    }
}

/// Opens a library of a sourced prefix, else wherever the loader finds it. It stays open.
fn open(file: &str) -> Result<*mut c_void, String> {
    let prefixes = std::env::var_os("AMENT_PREFIX_PATH").unwrap_or_default();
    let inside = std::env::split_paths(&prefixes).map(|prefix| prefix.join("lib").join(file));
    let found = inside.into_iter().find(|path| path.is_file());
    let path = found.unwrap_or_else(|| Path::new(file).to_owned());
    let path = CString::new(path.into_os_string().into_encoded_bytes())
        .map_err(|error| error.to_string())?;
    // SAFETY: a terminated string; what runs on loading is rosidl's, as in every ROS program.
    let library = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW) };
    if !library.is_null() {
        return Ok(library);
    }
    // SAFETY: after a failed dlopen on this thread it is null or a terminated string.
    let cause = unsafe {
        let cause = libc::dlerror();
        match cause.is_null() {
            true => String::from("the loader says nothing"),
            false => CStr::from_ptr(cause).to_string_lossy().into_owned(),
        }
    };
    Err(format!("{file}: {cause}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_that_is_not_there_is_named() {
        let word = find("no_msgs", "SpeedLimit", 3, 48).unwrap_err();
        assert!(word.contains("libno_msgs__rosidl"), "{word}");
    }

    #[test]
    fn another_message_is_not_taken_for_it() {
        // Three fields as well, but 24 bytes.
        let word = find("geometry_msgs", "Vector3", 3, 48).unwrap_err();
        assert!(word.contains("24 bytes, expected 3 in 48"), "{word}");
        let word = find("geometry_msgs", "SpeedLimit", 3, 48).unwrap_err();
        assert!(word.contains("has no"), "{word}");
        // What it looks like is what it is taken for, and only then.
        assert!(find("geometry_msgs", "Vector3", 3, 24).is_ok());
    }
}
