//! Puts BPF instructions together, with labels to jump to.

use std::os::fd::RawFd;

/// A register. `r1` to `r5` hand arguments over, `r0` the result; `r6` to `r9` keep their values over calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Register {
    R0 = 0,
    R1 = 1,
    R2 = 2,
    R3 = 3,
    R4 = 4,
    R5 = 5,
    R6 = 6,
    R8 = 8,
    R9 = 9,
    /// The end of the stack, which cannot be moved.
    Stack = 10,
}

/// How wide a load or store is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Width {
    Byte = 0x10,
    Half = 0x08,
    Word = 0x00,
    Double = 0x18,
}

/// Functions of the kernel that any XDP program may call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Helper {
    MapLookup = 1,
    RedirectMap = 51,
}

/// When a jump is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Condition {
    Equal = 0x10,
    Above = 0x20,
    NotEqual = 0x50,
}

/// Arithmetic of 64 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Add = 0x00,
    Multiply = 0x20,
    Or = 0x40,
    And = 0x50,
    ShiftLeft = 0x60,
    ShiftRight = 0x70,
    Xor = 0xa0,
    Move = 0xb0,
}

/// A place to jump to, forward only: so the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Label(usize);

/// Instructions so far.
#[derive(Debug, Default)]
pub(super) struct Assembler {
    instructions: Vec<u64>,
    /// By label, where it stands.
    labels: Vec<Option<usize>>,
    /// Jumps whose distance is not known yet.
    jumps: Vec<(usize, Label)>,
}

const IMMEDIATE_DOUBLE: u8 = 0x18;
const MAP_DESCRIPTOR: u8 = 1;

impl Assembler {
    fn push(&mut self, code: u8, to: u8, from: u8, offset: i16, immediate: i32) -> &mut Self {
        let registers = u64::from(from) << 4 | u64::from(to);
        let offset = u64::from(offset as u16) << 16;
        self.instructions.push(u64::from(code) | registers << 8 | offset | (u64::from(immediate as u32) << 32));
        self
    }

    /// `to = *(width *)(from + offset)`
    pub(super) fn load(&mut self, width: Width, to: Register, from: Register, offset: i16) -> &mut Self {
        self.push(0x61 | width as u8, to as u8, from as u8, offset, 0)
    }

    /// `*(width *)(to + offset) = from`
    pub(super) fn store(&mut self, width: Width, to: Register, offset: i16, from: Register) -> &mut Self {
        self.push(0x63 | width as u8, to as u8, from as u8, offset, 0)
    }

    /// `*(width *)(to + offset) = value`
    pub(super) fn store_value(&mut self, width: Width, to: Register, offset: i16, value: i32) -> &mut Self {
        self.push(0x62 | width as u8, to as u8, 0, offset, value)
    }

    /// `to = to operation from`
    pub(super) fn with(&mut self, operation: Operation, to: Register, from: Register) -> &mut Self {
        self.push(0x0f | operation as u8, to as u8, from as u8, 0, 0)
    }

    /// `to = to operation value`
    pub(super) fn with_value(&mut self, operation: Operation, to: Register, value: i32) -> &mut Self {
        self.push(0x07 | operation as u8, to as u8, 0, 0, value)
    }

    /// `to = value`
    pub(super) fn double(&mut self, to: Register, value: u64) -> &mut Self {
        self.push(IMMEDIATE_DOUBLE, to as u8, 0, 0, value as u32 as i32);
        self.push(0, 0, 0, 0, (value >> 32) as u32 as i32)
    }

    /// `to = map`
    pub(super) fn map(&mut self, to: Register, map: RawFd) -> &mut Self {
        self.push(IMMEDIATE_DOUBLE, to as u8, MAP_DESCRIPTOR, 0, map);
        self.push(0, 0, 0, 0, 0)
    }

    /// The low 16 bits of `to` in network order, alone.
    pub(super) fn network_half(&mut self, to: Register) -> &mut Self {
        self.push(0xdc, to as u8, 0, 0, 16)
    }

    /// `r0 = helper(r1, ..)`; `r1` to `r5` are gone.
    pub(super) fn call(&mut self, helper: Helper) -> &mut Self {
        self.push(0x85, 0, 0, 0, helper as i32)
    }

    /// Ends the program with the verdict in `r0`.
    pub(super) fn exit(&mut self) -> &mut Self {
        self.push(0x95, 0, 0, 0, 0)
    }

    /// A label for later.
    pub(super) fn label(&mut self) -> Label {
        self.labels.push(None);
        Label(self.labels.len() - 1)
    }

    /// The label stands here.
    pub(super) fn here(&mut self, label: Label) -> &mut Self {
        let before = self.labels[label.0].replace(self.instructions.len());
        assert!(before.is_none(), "a label stands in one place");
        self
    }

    /// Jumps if `left condition right`.
    pub(super) fn jump_if(&mut self, left: Register, condition: Condition, right: Register, to: Label) -> &mut Self {
        self.jumps.push((self.instructions.len(), to));
        self.push(0x0d | condition as u8, left as u8, right as u8, 0, 0)
    }

    /// Jumps if `left condition value`.
    pub(super) fn jump_if_value(&mut self, left: Register, condition: Condition, value: i32, to: Label) -> &mut Self {
        self.jumps.push((self.instructions.len(), to));
        self.push(0x05 | condition as u8, left as u8, 0, 0, value)
    }

    /// The program, with all jumps in place.
    ///
    /// # Panics
    ///
    /// If a label was jumped to and stands nowhere, or too far away.
    pub(super) fn finish(&mut self) -> Vec<u64> {
        for (at, label) in self.jumps.drain(..) {
            let target = self.labels[label.0].expect("every label stands somewhere");
            let distance = i16::try_from(target - at - 1).expect("programs are short, and jumps go forward");
            self.instructions[at] |= u64::from(distance as u16) << 16;
        }
        std::mem::take(&mut self.instructions)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the kernel's documentation and `llvm-objdump` write them.
    #[test]
    fn instructions_are_encoded_as_the_kernel_reads_them() {
        let mut assembler = Assembler::default();
        let end = assembler.label();
        assembler
            .load(Width::Word, Register::R2, Register::R1, 4)
            .store(Width::Half, Register::Stack, -4, Register::R5)
            .with_value(Operation::Add, Register::R2, -4)
            .with(Operation::Move, Register::R6, Register::R1)
            .jump_if(Register::R4, Condition::Above, Register::R3, end)
            .map(Register::R1, 7)
            .call(Helper::RedirectMap)
            .here(end)
            .exit();
        let expected: [[u8; 8]; 9] = [
            [0x61, 0x12, 4, 0, 0, 0, 0, 0],
            [0x6b, 0x5a, 0xfc, 0xff, 0, 0, 0, 0],
            [0x07, 0x02, 0, 0, 0xfc, 0xff, 0xff, 0xff],
            [0xbf, 0x16, 0, 0, 0, 0, 0, 0],
            [0x2d, 0x34, 3, 0, 0, 0, 0, 0],
            [0x18, 0x11, 0, 0, 7, 0, 0, 0],
            [0, 0, 0, 0, 0, 0, 0, 0],
            [0x85, 0, 0, 0, 51, 0, 0, 0],
            [0x95, 0, 0, 0, 0, 0, 0, 0],
        ];
        assert_eq!(assembler.finish(), expected.map(u64::from_le_bytes));
    }
}
