//! The smallest kernel that proves an accelerator: an ELF file with a PVH entry point (as the course's kernel has),
//! which counts in protected mode, turns on paging and long mode as every Linux does, counts again, and ends QEMU
//! through its `isa-debug-exit` device with a status of our choosing.
//!
//! The counting is what tells an accelerator from an instruction emulator: on a processor it takes milliseconds.

/// The byte written to the exit device. QEMU then exits with `byte << 1 | 1` (hw/misc/debugexit.c).
const EXIT_BYTE: u8 = 0x2a;
pub(super) const EXIT_STATUS: i32 = (EXIT_BYTE as i32) << 1 | 1;
/// Where `isa-debug-exit` has to listen.
pub(super) const EXIT_PORT: u8 = 0xf4;

/// Turns of each loop: about 0.02 s on a processor, 0.2 s under TCG, half a minute and more in an emulator that
/// traps on every instruction.
const TURNS: u32 = 50_000_000;

/// Where the file is loaded as a whole: above the first megabyte, as PVH asks.
const LOAD: u32 = 0x0010_0000;
/// Page tables, in memory that QEMU has just zeroed.
const PML4: u32 = 0x0020_0000;
const PDPT: u32 = PML4 + 0x1000;
const PD: u32 = PDPT + 0x1000;
const PRESENT_WRITABLE: u32 = 0b11;
const PAGE_OF_2_MIB: u32 = 1 << 7;

const NOTE_OFFSET: u32 = 64 + 2 * 56;
const NOTE_SIZE: u32 = 12 + 4 + 8;
const CODE_OFFSET: u32 = 0xd0;

/// The bytes of the kernel's file.
pub(super) fn probe_kernel() -> Vec<u8> {
    let code = code(LOAD + CODE_OFFSET);
    let size = CODE_OFFSET as usize + code.len();
    let mut file = elf_header();
    file.extend(program_header(1, 0, size as u64, 0x1000));
    file.extend(program_header(4, u64::from(NOTE_OFFSET), u64::from(NOTE_SIZE), 4));
    // The note that names the entry: XEN_ELFNOTE_PHYS32_ENTRY (xen/include/public/elfnote.h).
    for word in [4, 8, 18] {
        file.extend(u32::to_le_bytes(word));
    }
    file.extend(b"Xen\0");
    file.extend(u64::from(LOAD + CODE_OFFSET).to_le_bytes());
    file.resize(CODE_OFFSET as usize, 0);
    file.extend(code);
    file
}

/// ELF-64, little endian, an x86-64 executable with two program headers (System V gABI, chapter 4).
fn elf_header() -> Vec<u8> {
    let mut header = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    header.extend(2u16.to_le_bytes());
    header.extend(62u16.to_le_bytes());
    header.extend(1u32.to_le_bytes());
    header.extend(u64::from(LOAD + CODE_OFFSET).to_le_bytes());
    header.extend(64u64.to_le_bytes());
    header.extend(0u64.to_le_bytes());
    header.extend(0u32.to_le_bytes());
    for half in [64u16, 56, 2, 0, 0, 0] {
        header.extend(half.to_le_bytes());
    }
    header
}

fn program_header(kind: u32, offset: u64, size: u64, align: u64) -> Vec<u8> {
    let address = u64::from(LOAD) + offset;
    let mut header = Vec::with_capacity(56);
    header.extend(kind.to_le_bytes());
    // Readable, writable, executable.
    header.extend(7u32.to_le_bytes());
    for field in [offset, address, address, size, size, align] {
        header.extend(field.to_le_bytes());
    }
    header
}

/// The program, at `base`. Entered as PVH says: 32-bit protected mode, flat segments, no paging.
fn code(base: u32) -> Vec<u8> {
    let mut code = Vec::new();
    // mov ecx, TURNS; 1: dec ecx; jnz 1b
    code.push(0xb9);
    code.extend(TURNS.to_le_bytes());
    code.extend([0x49, 0x75, 0xfd]);
    // mov dword [table], entry: the first 2 MiB map to themselves.
    for (table, entry) in [
        (PML4, PDPT | PRESENT_WRITABLE),
        (PDPT, PD | PRESENT_WRITABLE),
        (PD, PRESENT_WRITABLE | PAGE_OF_2_MIB),
    ] {
        code.extend([0xc7, 0x05]);
        code.extend(table.to_le_bytes());
        code.extend(entry.to_le_bytes());
    }
    // mov eax, PML4; mov cr3, eax
    code.push(0xb8);
    code.extend(PML4.to_le_bytes());
    code.extend([0x0f, 0x22, 0xd8]);
    // mov eax, cr4; or eax, PAE; mov cr4, eax
    code.extend([0x0f, 0x20, 0xe0, 0x83, 0xc8, 0x20, 0x0f, 0x22, 0xe0]);
    // mov ecx, IA32_EFER; rdmsr; or eax, LME; wrmsr
    code.extend([0xb9, 0x80, 0x00, 0x00, 0xc0, 0x0f, 0x32]);
    code.extend([0x0d, 0x00, 0x01, 0x00, 0x00, 0x0f, 0x30]);
    // mov eax, cr0; or eax, PG; mov cr0, eax
    code.extend([0x0f, 0x20, 0xc0, 0x0d, 0x00, 0x00, 0x00, 0x80, 0x0f, 0x22, 0xc0]);
    // lgdt [gdtr]; jmp 8:long — both addresses lie behind what follows.
    let long_at = base + code.len() as u32 + 7 + 7;
    let long = long_mode();
    let gdtr_at = long_at + long.len() as u32;
    code.extend([0x0f, 0x01, 0x15]);
    code.extend(gdtr_at.to_le_bytes());
    code.push(0xea);
    code.extend(long_at.to_le_bytes());
    code.extend(8u16.to_le_bytes());
    code.extend(long);
    // The table's limit and address, a null descriptor, and a 64-bit code segment.
    code.extend(15u16.to_le_bytes());
    code.extend((gdtr_at + 6).to_le_bytes());
    code.extend(0u64.to_le_bytes());
    code.extend(0x0020_9a00_0000_0000_u64.to_le_bytes());
    code
}

fn long_mode() -> Vec<u8> {
    let mut code = Vec::new();
    // mov ecx, TURNS; 1: dec ecx; jnz 1b
    code.push(0xb9);
    code.extend(TURNS.to_le_bytes());
    code.extend([0xff, 0xc9, 0x75, 0xfc]);
    // mov al, EXIT_BYTE; out EXIT_PORT, al; 1: hlt; jmp 1b
    code.extend([0xb0, EXIT_BYTE, 0xe6, EXIT_PORT, 0xf4, 0xeb, 0xfd]);
    code
}

#[cfg(test)]
mod tests {
    use object::{Object as _, ObjectSegment as _};

    use super::*;

    #[test]
    fn another_reader_finds_the_same_program() {
        let bytes = probe_kernel();
        let file = object::File::parse(&bytes[..]).unwrap();
        assert_eq!(file.entry(), u64::from(LOAD + CODE_OFFSET));
        let segment = file.segments().next().unwrap();
        assert_eq!(segment.address(), u64::from(LOAD));
        assert_eq!(segment.size(), bytes.len() as u64);
    }

    #[test]
    fn the_far_jump_lands_on_the_64_bit_part() {
        let base = LOAD + CODE_OFFSET;
        let code = code(base);
        let at = code.windows(2).position(|pair| pair == [0x08, 0x00]).unwrap();
        let target = u32::from_le_bytes(code[at - 4..at].try_into().unwrap());
        assert!(code[(target - base) as usize..].starts_with(&long_mode()));
    }
}
