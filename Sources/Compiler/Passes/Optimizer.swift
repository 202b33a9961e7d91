internal import CLLVM

/// From LLVM's code to an object file.
struct Optimizer {
    let machine: Machine
    /// LLVM's verifier, for tests.
    nonisolated(unsafe) static var verifies = false
    /// Prints LLVM's code, for people who work on the compiler.
    nonisolated(unsafe) static var printed: ((String) -> Void)?

    func optimize(_ ir: Emitter) throws(Reason) {
        LLVMSetTarget(ir.module, machine.triple)
        let layout = LLVMCreateTargetDataLayout(machine.target)
        LLVMSetModuleDataLayout(ir.module, layout)
        LLVMDisposeTargetData(layout)
        try verify(ir)
        show(ir)
        // As much as O3 for this code; O1 makes no vectors.
        let options = LLVMCreatePassBuilderOptions()
        defer { LLVMDisposePassBuilderOptions(options) }
        if let error = LLVMRunPasses(ir.module, "default<O2>", machine.target, options) {
            LLVMConsumeError(error)
            throw Reason("LLVM cannot optimize it")
        }
        show(ir)
        try verify(ir)
    }

    func object(_ ir: Emitter) throws(Reason) -> [UInt8] { try emitted(ir, LLVMObjectFile) }

    /// The file that LLVM makes of the code.
    func emitted(_ ir: Emitter, _ kind: LLVMCodeGenFileType) throws(Reason) -> [UInt8] {
        try optimize(ir)
        var message: UnsafeMutablePointer<CChar>?
        var buffer: LLVMMemoryBufferRef?
        guard LLVMTargetMachineEmitToMemoryBuffer(machine.target, ir.module, kind, &message, &buffer) == 0,
            let buffer
        else {
            defer { LLVMDisposeMessage(message) }
            throw Reason("LLVM makes no code of it")
        }
        defer { LLVMDisposeMemoryBuffer(buffer) }
        return Array(
            UnsafeRawBufferPointer(start: LLVMGetBufferStart(buffer), count: LLVMGetBufferSize(buffer)))
    }

    private func show(_ ir: Emitter) {
        guard let printed = Optimizer.printed, let text = LLVMPrintModuleToString(ir.module) else { return }
        printed(String(cString: text))
        LLVMDisposeMessage(text)
    }

    private func verify(_ ir: Emitter) throws(Reason) {
        if Optimizer.verifies { try Optimizer.check(ir) }
    }

    static func check(_ ir: Emitter) throws(Reason) {
        var message: UnsafeMutablePointer<CChar>?
        let isBad = LLVMVerifyModule(ir.module, LLVMReturnStatusAction, &message) != 0
        defer { LLVMDisposeMessage(message) }
        if isBad { throw Reason("LLVM's verifier: " + (message.map { String(cString: $0) } ?? "")) }
    }
}
