internal import CCompiler
internal import CLLVM

/// A value of the function: its type, and where it has one at run time, LLVM's value.
struct Slot {
    let type: ValueType
    let value: Value?
    /// Of `any`: MC_NIL, MC_FALSE, MC_TRUE, MC_INTEGER or MC_FLOAT. The value is then that of a table's place.
    var tag: Value?

    static var `nil`: Slot { Slot(type: .nil, value: nil) }
    static func constant(_ type: ValueType) -> Slot { Slot(type: type, value: nil) }
    static func integer(_ value: Value) -> Slot { Slot(type: .integer, value: value) }
    static func float(_ value: Value) -> Slot { Slot(type: .float, value: value) }
    static func boolean(_ value: Value) -> Slot { Slot(type: .boolean, value: value) }
    static func any(_ value: Value, _ tag: Value) -> Slot { Slot(type: .any, value: value, tag: tag) }
    static func table(_ value: Value) -> Slot { Slot(type: .table, value: value) }
    static func bool(_ value: Bool) -> Slot { Slot(type: value ? .true : .false, value: nil) }
}

/// The registers, then the upvalues that the function writes.
typealias Frame = [Slot]

/// The code from an instruction on, for one combination of types.
final class Version {
    let pc: Int
    let block: Block
    let region: Region?
    let frame: Frame
    /// By the place in the frame.
    let phis: [Phi]

    /// Of a value and, of `any`, of its tag.
    typealias Phi = (place: Int, value: Value, tag: Value?)

    init(_ pc: Int, _ block: Block, _ region: Region?, _ frame: Frame, _ phis: [Phi]) {
        self.pc = pc
        self.block = block
        self.region = region
        self.frame = frame
        self.phis = phis
    }

    struct Key: Hashable {
        let pc: Int
        let region: ObjectIdentifier?
        let types: [ValueType]
    }
    struct Place: Hashable {
        let pc: Int
        let region: ObjectIdentifier?
    }
    /// From this number on all that can be `any` is. Two loops whose variables change their types need four.
    static let many = 8
    /// In a function with more versions than this, the second one already.
    static let crowd = 1000
    /// From this number on `true` and `false` are no types of their own.
    static let manyEnough = 2
}

/// One of the two copies of an innermost loop: without checks of the indices that were checked before, or with.
final class Region {
    let loop: Flow.Loop
    /// The first of the four registers of the loop.
    let register: Int
    let isChecked: Bool
    /// The block before the loop, which chooses the copy. It gets its last instruction at the end.
    let guardBlock: Block
    let entry: Frame
    let first: Value, last: Value
    /// Values that the guard can use.
    var available: Set<Value> = []
    /// Values of the loop that are a sum of the index and of available values.
    var forms: [Value: Form] = [:]
    /// Values of the loop that are at least 0 and at most this.
    var greatest: [Value: Int64] = [:]
    var conditions: Set<Condition> = []

    init(
        _ loop: Flow.Loop, _ register: Int, isChecked: Bool, _ guardBlock: Block, _ entry: Frame,
        _ first: Value,
        _ last: Value
    ) {
        self.loop = loop
        self.register = register
        self.isChecked = isChecked
        self.guardBlock = guardBlock
        self.entry = entry
        self.first = first
        self.last = last
    }

    /// A sum: of the loop's index, or without it, of other values, and of a constant.
    struct Form: Hashable {
        var hasIndex: Bool
        var terms: [Value]
        var constant: Int64
    }

    /// An index that must be below a limit in every iteration.
    struct Condition: Hashable {
        let form: Form
        let limit: Value
    }

    /// Whether a register has the same value in the whole loop.
    func isFixed(_ register: Int) -> Bool {
        !loop.written.contains(register) && register != self.register && register != self.register + 1
            && register != self.register + 3
    }
    /// Whether this is the value that the register has in the whole loop.
    func isFixed(_ register: Int, _ slot: Slot) -> Bool {
        isFixed(register) && slot.type == entry[register].type && slot.value == entry[register].value
            && slot.tag == entry[register].tag
    }
    /// Whether the variable that the body sees is the index.
    var showsIndex: Bool { !loop.written.contains(register + 3) }

    func form(_ value: Value, _ constant: Int64?) -> Form? {
        if let constant { return Form(hasIndex: false, terms: [], constant: constant) }
        if let form = forms[value] { return form }
        return available.contains(value) ? Form(hasIndex: false, terms: [value], constant: 0) : nil
    }
}

/// A way out of the machine code.
struct Exit {
    enum Kind: Equatable {
        case results(Int)
        case resume
        /// A function that was called has left: the interpreter continues in it, and then here.
        case call
        /// `error` with a level that is not the function itself.
        case raise
        case unknown(String)
    }
    struct Item {
        let type: ValueType
        /// The register, or -1 - the source of an upvalue, or firstGiven + the number of a result.
        let place: Int
        /// The slot, if it has a value, or the word of the function's part of the frames.
        let slot: Int
    }
    /// The results of the call at `pc`, which was made.
    static let firstGiven = MC_GIVEN

    let kind: Kind
    let member: Int
    let pc: Int
    let items: [Item]
    /// Words of the function's part of the frames; 0 for the first function, whose values are in slots.
    let extent: Int
    /// The register of the call that the interpreter makes again, of a function that knows the results; -1 for none.
    let called: Int
}
