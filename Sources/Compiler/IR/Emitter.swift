internal import CLLVM

typealias Value = LLVMValueRef
typealias Block = LLVMBasicBlockRef

/// LLVM's builder with the operations that the code needs, by short names.
final class Emitter {
    let context: LLVMContextRef
    let module: LLVMModuleRef
    let builder: LLVMBuilderRef
    let bit, i8, i16, i32, i64, single, double, pointer: LLVMTypeRef
    private let result: LLVMTypeRef
    // Of the function that is being made.
    private(set) var function: Value
    private(set) var slots: Value
    /// The memory for frames, if another function calls it.
    private(set) var window: Value
    private let main: Value

    init() {
        context = LLVMContextCreate()
        module = LLVMModuleCreateWithNameInContext("lua", context)
        builder = LLVMCreateBuilderInContext(context)
        bit = LLVMInt1TypeInContext(context)
        i8 = LLVMInt8TypeInContext(context)
        i16 = LLVMInt16TypeInContext(context)
        i32 = LLVMInt32TypeInContext(context)
        i64 = LLVMInt64TypeInContext(context)
        single = LLVMFloatTypeInContext(context)
        double = LLVMDoubleTypeInContext(context)
        pointer = LLVMPointerTypeInContext(context, 0)
        var pair: [LLVMTypeRef?] = [i64, i64]
        result = LLVMStructTypeInContext(context, &pair, 2, 0)
        var parameters: [LLVMTypeRef?] = [pointer]
        main = LLVMAddFunction(module, "lua_function", LLVMFunctionType(i64, &parameters, 1, 0))
        function = main
        slots = LLVMGetParam(main, 0)
        window = slots
        attribute("nounwind")
        attribute("noalias", at: 1)
    }

    // Functions

    struct Function {
        let value: Value
        let type: LLVMTypeRef
    }

    /// A function for the slots, the memory for frames, and arguments of these types. It returns two words.
    func declare(_ name: String, _ types: [LLVMTypeRef]) -> Function {
        var parameters: [LLVMTypeRef?] = [pointer, pointer] + types
        let type: LLVMTypeRef = LLVMFunctionType(result, &parameters, UInt32(parameters.count), 0)
        guard let value = LLVMAddFunction(module, name, type) else {
            return Function(value: main, type: type)
        }
        LLVMSetLinkage(value, LLVMInternalLinkage)
        attribute("nounwind", of: value)
        for index in 1...2 { attribute("noalias", at: UInt32(index), of: value) }
        return Function(value: value, type: type)
    }

    /// From now on all is part of this function, or of the first one.
    func begin(_ other: Function?, _ firstLine: Int) {
        function = other?.value ?? main
        slots = LLVMGetParam(function, 0)
        window = other == nil ? slots : LLVMGetParam(function, 1)
        describe(firstLine)
    }

    func argument(_ number: Int) -> Value { LLVMGetParam(function, UInt32(number + 2)) }

    func call(_ callee: Function, _ window: Value, _ arguments: [Value]) -> Value {
        var arguments: [Value?] = [slots, window] + arguments
        return LLVMBuildCall2(
            builder, callee.type, callee.value, &arguments, UInt32(arguments.count), "")
    }
    func part(_ pair: Value, _ number: UInt32) -> Value {
        LLVMBuildExtractValue(builder, pair, number, "")
    }
    func give(_ first: Value, _ second: Value) {
        var values: [Value?] = [first, second]
        LLVMBuildAggregateRet(builder, &values, 2)
    }
    /// Returns what a call has returned.
    func giveSame(_ pair: Value) { LLVMBuildRet(builder, pair) }

    func type(of type: ValueType) -> LLVMTypeRef {
        type == .float ? double : type == .boolean ? bit : type == .table ? pointer : i64
    }
    func number(_ address: Value) -> Value { LLVMBuildPtrToInt(builder, address, i64, "") }
    /// An address in the frame of the machine.
    func stackPlace() -> Value { number(LLVMBuildAlloca(builder, i8, "")) }

    deinit {
        finish()
        LLVMDisposeBuilder(builder)
        LLVMDisposeModule(module)
        LLVMContextDispose(context)
    }

    private func attribute(
        _ name: String, at index: UInt32 = LLVMAttributeIndex(bitPattern: -1), of value: Value? = nil,
        _ number: UInt64 = 0
    ) {
        let kind = LLVMGetEnumAttributeKindForName(name, name.utf8.count)
        LLVMAddAttributeAtIndex(
            value ?? function, index, LLVMCreateEnumAttribute(context, kind, number))
    }

    // Lines, for the assembly that people read

    private var scope: LLVMMetadataRef?
    private var debug: (builder: LLVMDIBuilderRef, file: LLVMMetadataRef)?

    /// From now on each instruction has the line that `line` was last told.
    func describeLines() {
        guard let builder = LLVMCreateDIBuilder(module) else { return }
        let name = "lua"
        guard let file = LLVMDIBuilderCreateFile(builder, name, name.utf8.count, "", 0) else { return }
        _ = LLVMDIBuilderCreateCompileUnit(
            builder, LLVMDWARFSourceLanguageC, file, name, name.utf8.count, 1, "", 0, 0, "", 0,
            LLVMDWARFEmissionLineTablesOnly, 0, 0, 0, "", 0, "", 0)
        let flag = "Debug Info Version"
        LLVMAddModuleFlag(
            module, LLVMModuleFlagBehaviorWarning, flag, flag.utf8.count,
            LLVMValueAsMetadata(LLVMConstInt(i32, UInt64(LLVMDebugMetadataVersion()), 0)))
        debug = (builder, file)
        describe(0)
    }

    private func describe(_ first: Int) {
        guard let debug else { return }
        let name = "lua"
        let type = LLVMDIBuilderCreateSubroutineType(debug.builder, debug.file, nil, 0, LLVMDIFlagZero)
        scope = LLVMDIBuilderCreateFunction(
            debug.builder, debug.file, name, name.utf8.count, name, name.utf8.count, debug.file,
            UInt32(first),
            type, 0, 1, UInt32(first), LLVMDIFlagZero, 1)
        LLVMSetSubprogram(function, scope)
        line(first)
    }

    /// All functions are made.
    func finish() {
        guard let debug else { return }
        LLVMDIBuilderFinalize(debug.builder)
        LLVMDisposeDIBuilder(debug.builder)
        self.debug = nil
    }

    func line(_ number: Int) {
        guard let scope else { return }
        LLVMSetCurrentDebugLocation2(
            builder, LLVMDIBuilderCreateDebugLocation(context, UInt32(number), 0, scope, nil))
    }

    // Blocks

    var here: Block { LLVMGetInsertBlock(builder) }
    func block(_ name: String = "") -> Block {
        LLVMAppendBasicBlockInContext(context, function, name)
    }
    func continueAt(_ block: Block) { LLVMPositionBuilderAtEnd(builder, block) }

    /// Emits at the end of another block.
    func at<T>(_ other: Block, _ body: () throws -> T) rethrows -> T {
        let before = here
        continueAt(other)
        defer { continueAt(before) }
        return try body()
    }

    func jump(_ block: Block) { LLVMBuildBr(builder, block) }
    func branch(_ condition: Value, _ yes: Block, _ no: Block) {
        LLVMBuildCondBr(builder, condition, yes, no)
    }

    /// A branch whose first way is nearly always taken.
    func branchLikely(_ condition: Value, _ yes: Block, _ no: Block) {
        let branch = LLVMBuildCondBr(builder, condition, yes, no)
        let name = "branch_weights"
        var parts: [LLVMMetadataRef?] = [
            LLVMMDStringInContext2(context, name, name.utf8.count),
            LLVMValueAsMetadata(LLVMConstInt(i32, 1_000_000, 0)),
            LLVMValueAsMetadata(LLVMConstInt(i32, 1, 0)),
        ]
        let node = LLVMMDNodeInContext2(context, &parts, parts.count)
        LLVMSetMetadata(
            branch, LLVMGetMDKindIDInContext(context, "prof", 4), LLVMMetadataAsValue(context, node))
    }

    func give(_ value: Value) { LLVMBuildRet(builder, value) }
    func phi(_ type: LLVMTypeRef) -> Value { LLVMBuildPhi(builder, type, "") }
    func addIncoming(_ phi: Value, _ value: Value, from block: Block) {
        var values: [Value?] = [value]
        var blocks: [Block?] = [block]
        LLVMAddIncoming(phi, &values, &blocks, 1)
    }

    // Constants

    func integer(_ value: Int64) -> Value { LLVMConstInt(i64, UInt64(bitPattern: value), 0) }
    func float(_ value: Double) -> Value {
        // LLVMConstReal would make another NaN of a NaN.
        LLVMConstBitCast(LLVMConstInt(i64, value.bitPattern, 0), double)
    }
    func tag(_ kind: Int) -> Value { LLVMConstInt(i8, UInt64(kind), 0) }
    func bool(_ value: Bool) -> Value { LLVMConstInt(bit, value ? 1 : 0, 0) }
    func constantInteger(_ value: Value) -> Int64? {
        LLVMIsAConstantInt(value) == nil ? nil : LLVMConstIntGetSExtValue(value)
    }

    // Integers

    func add(_ a: Value, _ b: Value) -> Value { LLVMBuildAdd(builder, a, b, "") }
    func sub(_ a: Value, _ b: Value) -> Value { LLVMBuildSub(builder, a, b, "") }
    func mul(_ a: Value, _ b: Value) -> Value { LLVMBuildMul(builder, a, b, "") }
    func and(_ a: Value, _ b: Value) -> Value { LLVMBuildAnd(builder, a, b, "") }
    func or(_ a: Value, _ b: Value) -> Value { LLVMBuildOr(builder, a, b, "") }
    func xor(_ a: Value, _ b: Value) -> Value { LLVMBuildXor(builder, a, b, "") }
    func divide(_ a: Value, _ b: Value) -> Value { LLVMBuildSDiv(builder, a, b, "") }
    func divideUnsigned(_ a: Value, _ b: Value) -> Value { LLVMBuildUDiv(builder, a, b, "") }
    func remainder(_ a: Value, _ b: Value) -> Value { LLVMBuildSRem(builder, a, b, "") }
    func shiftLeft(_ a: Value, _ b: Value) -> Value { LLVMBuildShl(builder, a, b, "") }
    func shiftRight(_ a: Value, _ b: Value) -> Value { LLVMBuildLShr(builder, a, b, "") }
    func compare(_ predicate: LLVMIntPredicate, _ a: Value, _ b: Value) -> Value {
        LLVMBuildICmp(builder, predicate, a, b, "")
    }
    /// A sum that is known not to overflow as a signed number.
    func addWithoutOverflow(_ a: Value, _ b: Value) -> Value { LLVMBuildNSWAdd(builder, a, b, "") }

    // Floats: none of them may be reassociated or contracted.

    func addFloat(_ a: Value, _ b: Value) -> Value {
        folded(a, b, +) ?? LLVMBuildFAdd(builder, a, b, "")
    }
    func subFloat(_ a: Value, _ b: Value) -> Value {
        folded(a, b, -) ?? LLVMBuildFSub(builder, a, b, "")
    }
    func mulFloat(_ a: Value, _ b: Value) -> Value {
        folded(a, b, *) ?? LLVMBuildFMul(builder, a, b, "")
    }
    func divideFloat(_ a: Value, _ b: Value) -> Value {
        folded(a, b, /) ?? LLVMBuildFDiv(builder, a, b, "")
    }
    /// An operation on constants. LLVM's NaN of 0 / 0 has another sign than the processor's.
    private func folded(_ a: Value, _ b: Value, _ operation: (Double, Double) -> Double) -> Value? {
        guard LLVMIsAConstantFP(a) != nil, LLVMIsAConstantFP(b) != nil else { return nil }
        var losesInfo: LLVMBool = 0
        return float(
            operation(LLVMConstRealGetDouble(a, &losesInfo), LLVMConstRealGetDouble(b, &losesInfo)))
    }
    func negateFloat(_ a: Value) -> Value { LLVMBuildFNeg(builder, a, "") }
    func compareFloat(_ predicate: LLVMRealPredicate, _ a: Value, _ b: Value) -> Value {
        LLVMBuildFCmp(builder, predicate, a, b, "")
    }

    func select(_ condition: Value, _ yes: Value, _ no: Value) -> Value {
        LLVMBuildSelect(builder, condition, yes, no, "")
    }
    func float(of integer: Value) -> Value { LLVMBuildSIToFP(builder, integer, double, "") }
    func extend(_ value: Value, _ type: LLVMTypeRef, signed: Bool) -> Value {
        signed ? LLVMBuildSExt(builder, value, type, "") : LLVMBuildZExt(builder, value, type, "")
    }
    func truncate(_ value: Value, _ type: LLVMTypeRef) -> Value {
        LLVMBuildTrunc(builder, value, type, "")
    }
    func cast(_ value: Value, _ type: LLVMTypeRef) -> Value {
        LLVMBuildBitCast(builder, value, type, "")
    }
    func widen(_ value: Value) -> Value { LLVMBuildFPExt(builder, value, double, "") }
    func narrow(_ value: Value) -> Value { LLVMBuildFPTrunc(builder, value, single, "") }

    // Memory

    /// Parts of memory that have nothing in common.
    enum Space: String {
        /// Buffers and views: they may overlap each other.
        case mapped
        case tables, values, tags
    }

    func load(_ type: LLVMTypeRef, _ address: Value, in space: Space? = nil) -> Value {
        guard let load = LLVMBuildLoad2(builder, type, address, "") else { return address }
        LLVMSetAlignment(load, 1)
        mark(load, space)
        return load
    }
    func store(_ value: Value, _ address: Value, in space: Space? = nil) {
        guard let store = LLVMBuildStore(builder, value, address) else { return }
        LLVMSetAlignment(store, 1)
        mark(store, space)
    }

    private var marks: [Space: Value] = [:]

    private func mark(_ instruction: Value, _ space: Space?) {
        guard let space else { return }
        if marks[space] == nil {
            let zero = LLVMValueAsMetadata(integer(0))
            var root = [LLVMMDStringInContext2(context, "lua", 3)]
            let name = space.rawValue
            var parts = [
                LLVMMDStringInContext2(context, name, name.utf8.count),
                LLVMMDNodeInContext2(context, &root, 1), zero,
            ]
            let type = LLVMMDNodeInContext2(context, &parts, 3)
            var access = [type, type, zero]
            marks[space] = LLVMMetadataAsValue(context, LLVMMDNodeInContext2(context, &access, 3))
        }
        LLVMSetMetadata(instruction, LLVMGetMDKindIDInContext(context, "tbaa", 4), marks[space])
    }
    func address(_ base: Value, _ offset: Value) -> Value {
        var offsets: [Value?] = [offset]
        return LLVMBuildGEP2(builder, i8, base, &offsets, 1, "")
    }
    func pointer(_ bits: Value) -> Value { LLVMBuildIntToPtr(builder, bits, pointer, "") }
    func isNull(_ address: Value) -> Value { LLVMBuildIsNull(builder, address, "") }
    func slot(_ index: Int) -> Value { address(slots, integer(Int64(index) * 8)) }

    // Calls

    /// An intrinsic function that is overloaded by one type, or by none.
    func intrinsic(_ name: String, _ types: [LLVMTypeRef], _ arguments: Value...) -> Value {
        let id = LLVMLookupIntrinsicID(name, name.utf8.count)
        var types: [LLVMTypeRef?] = types
        var arguments: [Value?] = arguments
        let declaration = LLVMGetIntrinsicDeclaration(module, id, &types, types.count)
        let type = LLVMIntrinsicGetType(context, id, &types, types.count)
        return LLVMBuildCall2(builder, type, declaration, &arguments, UInt32(arguments.count), "")
    }
    func floor(_ value: Value) -> Value { intrinsic("llvm.floor", [double], value) }
    func ceil(_ value: Value) -> Value { intrinsic("llvm.ceil", [double], value) }
    func swapBytes(_ value: Value) -> Value { intrinsic("llvm.bswap", [LLVMTypeOf(value)], value) }
    /// The integer of a float: the nearest where it is out of range, 0 for NaN.
    func integerSaturated(_ value: Value) -> Value {
        intrinsic("llvm.fptosi.sat", [i64, double], value)
    }

    /// A function of helpers.c without effects. LLVM does not know it and leaves it as it is.
    func helper(_ name: String, _ result: LLVMTypeRef, _ arguments: Value...) -> Value {
        call(name, result, arguments, isPure: true)
    }

    /// A function of tables.c, which changes memory and may not return.
    func action(_ name: String, _ result: LLVMTypeRef, _ arguments: Value...) -> Value {
        call(name, result, arguments, isPure: false)
    }

    private func call(_ name: String, _ result: LLVMTypeRef, _ arguments: [Value], isPure: Bool) -> Value {
        var arguments: [Value?] = arguments
        var types: [LLVMTypeRef?] = arguments.map { LLVMTypeOf($0) }
        let type = LLVMFunctionType(result, &types, UInt32(types.count), 0)
        var callee = LLVMGetNamedFunction(module, name)
        if callee == nil {
            callee = LLVMAddFunction(module, name, type)
            attribute("nounwind", of: callee)
            if isPure {
                attribute("willreturn", of: callee)
                attribute("memory", of: callee, 0)
            }
        }
        return LLVMBuildCall2(builder, type, callee, &arguments, UInt32(arguments.count), "")
    }
}
