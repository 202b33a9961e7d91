internal import CLLVM

/// The processor that runs this.
final class Machine {
    let target: LLVMTargetMachineRef
    /// What the target is called.
    let triple: UnsafeMutablePointer<CChar>

    /// Made once: it takes as long as a small function.
    nonisolated(unsafe) static let host: Machine? = Machine()

    private init?() {
        guard cllvm_initialize() == 0, let triple = LLVMGetDefaultTargetTriple() else { return nil }
        self.triple = triple
        var target: LLVMTargetRef?
        var message: UnsafeMutablePointer<CChar>?
        guard LLVMGetTargetFromTriple(triple, &target, &message) == 0, let target else {
            LLVMDisposeMessage(message)
            return nil
        }
        let cpu = LLVMGetHostCPUName()
        let features = LLVMGetHostCPUFeatures()
        defer {
            LLVMDisposeMessage(cpu)
            LLVMDisposeMessage(features)
        }
        // Without memory they are nil, and LLVM would read them.
        guard let cpu, let features else { return nil }
        // Loads of scattered elements by one instruction are slower than one by one since processors were protected from
        // spying on them (fields of records: three times).
        let all = String(cString: features) + ",+prefer-no-gather,+prefer-no-scatter"
        guard
            let machine = LLVMCreateTargetMachine(
                target, triple, cpu, all, LLVMCodeGenLevelDefault, LLVMRelocPIC, LLVMCodeModelDefault)
        else { return nil }
        self.target = machine
    }
}
