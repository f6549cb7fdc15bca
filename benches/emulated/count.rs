//! A plugin of QEMU's user-mode emulators that counts instructions and says how many when the
//! program ends. The four functions of its interface (version 1) that are needed are declared
//! here, since distributions ship no header.

#![allow(non_upper_case_globals)]

use std::ffi::{c_char, c_int, c_uint, c_void};
use std::ptr::addr_of_mut;

#[unsafe(no_mangle)]
pub static qemu_plugin_version: c_int = 1;

static mut COUNT: u64 = 0;

unsafe extern "C" {
    fn qemu_plugin_register_vcpu_tb_trans_cb(id: u64, call: extern "C" fn(u64, *mut c_void));
    fn qemu_plugin_tb_n_insns(block: *const c_void) -> usize;
    fn qemu_plugin_register_vcpu_tb_exec_inline(
        block: *mut c_void,
        operation: c_uint,
        to: *mut c_void,
        add: u64,
    );
    fn qemu_plugin_register_atexit_cb(
        id: u64,
        call: extern "C" fn(u64, *mut c_void),
        data: *mut c_void,
    );
}

/// Add to a 64-bit number, the only inline operation there is.
const ADD: c_uint = 0;

extern "C" fn translated(_id: u64, block: *mut c_void) {
    // SAFETY: the block is QEMU's for as long as this call takes, and the count lives for ever.
    unsafe {
        let instructions = qemu_plugin_tb_n_insns(block) as u64;
        let count = addr_of_mut!(COUNT).cast();
        qemu_plugin_register_vcpu_tb_exec_inline(block, ADD, count, instructions);
    }
}

extern "C" fn ended(_id: u64, _data: *mut c_void) {
    // SAFETY: the program has ended: nobody adds any more.
    eprintln!("instructions: {}", unsafe { addr_of_mut!(COUNT).read() });
}

/// # Safety
/// QEMU calls it, once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qemu_plugin_install(
    id: u64,
    _info: *const c_void,
    _arguments: c_int,
    _argument: *mut *mut c_char,
) -> c_int {
    // SAFETY: as the interface says; the calls have the signatures it asks for.
    unsafe {
        qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
        qemu_plugin_register_atexit_cb(id, ended, std::ptr::null_mut());
    }
    0
}
