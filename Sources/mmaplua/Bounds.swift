internal import CHost
internal import CLuaMap
internal import Glibc

/// The limits and the sandbox policy from the command line.
struct Bounds {
    private enum Amount {
        case memory, mapped, time
    }

    private var memory: UInt = 0
    private var mapped: UInt = 0
    private var time: UInt64 = 0
    private var memoryText: UnsafePointer<CChar>?
    private var timeText: UnsafePointer<CChar>?
    private(set) var isSandbox = false
    private var allowsEnvironment = false
    private var allowsPrograms = false
    private var allowsCompiler = false
    private var allowed: [(access: CInt, path: UnsafePointer<CChar>, argument: UnsafePointer<CChar>)] = []
    private var firstAllowance: UnsafePointer<CChar>?

    /// Parses an argument. Returns false if it is not one of these options or its value is not valid.
    mutating func note(_ argument: UnsafePointer<CChar>) -> Bool {
        if let value = value(of: argument, "--memory=") { return set(.memory, value) }
        if let value = value(of: argument, "--mapped=") { return set(.mapped, value) }
        if let value = value(of: argument, "--time=") { return set(.time, value) }
        if strcmp(argument, "--sandbox") == 0 {
            isSandbox = true
            return true
        }
        return allow(argument)
    }

    private mutating func allow(_ argument: UnsafePointer<CChar>) -> Bool {
        if let path = value(of: argument, "--allow-read=") {
            allowed.append((CInt(LM_READ), path, argument))
        } else if let path = value(of: argument, "--allow-write=") {
            allowed.append((CInt(LM_WRITE), path, argument))
        } else if strcmp(argument, "--allow-env") == 0 {
            allowsEnvironment = true
        } else if strcmp(argument, "--allow-run") == 0 {
            allowsPrograms = true
        } else if strcmp(argument, "--allow-compile") == 0 {
            allowsCompiler = true
        } else {
            return false
        }
        firstAllowance = firstAllowance ?? argument
        return true
    }

    private func value(of argument: UnsafePointer<CChar>, _ option: String) -> UnsafePointer<CChar>? {
        let length = option.utf8.count
        guard strncmp(argument, option, length) == 0, argument[length] != 0 else { return nil }
        return argument + length
    }

    private mutating func set(_ amount: Amount, _ text: UnsafePointer<CChar>) -> Bool {
        switch amount {
        case .memory:
            guard let bytes = Quantity.bytes(String(cString: text)) else { return false }
            (memory, memoryText) = (bytes, text)
        case .mapped:
            guard let bytes = Quantity.bytes(String(cString: text)) else { return false }
            mapped = bytes
        case .time:
            guard let microseconds = Quantity.microseconds(String(cString: text)) else { return false }
            (time, timeText) = (microseconds, text)
        }
        return true
    }

    /// The first `--allow` option without `--sandbox`, which is an error: nothing would be forbidden.
    var needsSandbox: UnsafePointer<CChar>? { isSandbox ? nil : firstAllowance }

    /// With `--sandbox`, restricts this process to the policy; a script may learn which folders lead to its own file.
    /// Returns the option that failed and its errno.
    func enter(_ script: UnsafePointer<CChar>?) -> (UnsafePointer<CChar>, CInt)? {
        guard isSandbox else { return nil }
        lm_sandbox_begin()
        if let script { lm_sandbox_know(script) }
        for entry in allowed {
            let code = lm_sandbox_allow(entry.access, entry.path)
            if code != 0 { return (entry.argument, code) }
        }
        return nil
    }

    var forHost: host_bounds {
        host_bounds(
            memory: Int(clamping: memory), mapped: Int(clamping: mapped), time: time,
            memory_text: memoryText ?? defaultName(),
            time_text: timeText ?? defaultName(), is_sandbox: isSandbox,
            allows_environment: allowsEnvironment,
            allows_programs: allowsPrograms, allows_compiler: allowsCompiler)
    }
}

/// Sizes and times on the command line: a number and an optional unit.
enum Quantity {
    /// `64M`, `1.5G`, `4096`: bytes, with units of 1024. nil for an invalid text, for 0, and from 2^63 bytes up.
    static func bytes(_ text: String) -> UInt? {
        guard let (number, unit) = split(text) else { return nil }
        let units: [String: Double] = [
            "": 1, "B": 1, "K": 1024, "M": 1_048_576, "G": 1_073_741_824, "T": 1_099_511_627_776,
        ]
        guard let factor = units[unit.uppercased()], number * factor < 0x1p63 else { return nil }
        let bytes = UInt(number * factor)
        return bytes > 0 ? bytes : nil
    }

    /// `10s`, `0.5`, `500ms`, `2m`, `1h`: without a unit, seconds. nil for an invalid text, for 0, and over 366 days.
    static func microseconds(_ text: String) -> UInt64? {
        guard let (number, unit) = split(text) else { return nil }
        let units: [String: Double] = ["": 1e6, "s": 1e6, "ms": 1e3, "m": 60e6, "h": 3600e6]
        guard let factor = units[unit], number * factor <= 366 * 86400e6 else { return nil }
        let microseconds = UInt64(number * factor)
        return microseconds > 0 ? microseconds : nil
    }

    /// A number with at most one dot, and the text after it.
    private static func split(_ text: String) -> (number: Double, unit: String)? {
        let digits = text.prefix { $0.isASCII && $0.isNumber || $0 == "." }
        guard digits.first?.isNumber == true, let number = Double(digits) else { return nil }
        return (number, String(text.dropFirst(digits.count)))
    }
}
