/// A format of times as in strptime(3), compiled: a step for each directive and each byte between them.
///
/// Names are English. A blank stands for any number of blanks, also none. What the format does not tell is that of
/// 1970-01-01T00:00:00Z.
struct TimeFormat: Sendable {
    private enum Part: UInt8 {
        case byte, blanks, year, shortYear, month, monthName, weekday, day, dayOfYear, hour, hour12, half,
            minute,
            second, fraction, zone, zoneName, epoch
    }

    private struct Step: BitwiseCopyable {
        let part: Part
        var byte: UInt8 = 0
    }

    private let steps: [Step]

    /// - Throws: If a directive is not known.
    init(_ format: [UInt8]) throws(TableError) {
        var steps: [Step] = []
        var place = format.startIndex
        while place < format.endIndex {
            let byte = format[place]
            place += 1
            if isBlank(byte) {
                steps.append(Step(part: .blanks))
            } else if byte != UInt8(ascii: "%") {
                steps.append(Step(part: .byte, byte: byte))
            } else {
                guard place < format.endIndex, let more = Self.steps(format[place]) else {
                    let directive = place < format.endIndex ? [format[place]] : []
                    throw .data(
                        [UInt8]("time format '".utf8) + format + [UInt8]("': '%".utf8) + directive
                            + [UInt8]("' is not one of ".utf8) + Self.known)
                }
                steps += more
                place += 1
            }
        }
        self.steps = steps
    }

    private static var known: [UInt8] {
        [UInt8]("%Y %y %m %b %B %h %d %e %j %a %A %H %k %I %l %p %M %S %f %z %Z %s %F %D %T %R %n %t %%".utf8)
    }

    private static func steps(_ directive: UInt8) -> [Step]? {
        func some(_ parts: Part..., between byte: Character) -> [Step] {
            let between = Step(part: .byte, byte: byte.asciiValue ?? 0)
            return [[Step]](parts.map { [Step(part: $0)] }).joined(separator: [between]).map { $0 }
        }
        switch Character(Unicode.Scalar(directive)) {
        case "Y": return [Step(part: .year)]
        case "y": return [Step(part: .shortYear)]
        case "m": return [Step(part: .month)]
        case "b", "B", "h": return [Step(part: .monthName)]
        case "d", "e": return [Step(part: .day)]
        case "j": return [Step(part: .dayOfYear)]
        case "a", "A": return [Step(part: .weekday)]
        case "H", "k": return [Step(part: .hour)]
        case "I", "l": return [Step(part: .hour12)]
        case "p": return [Step(part: .half)]
        case "M": return [Step(part: .minute)]
        case "S": return [Step(part: .second)]
        case "f": return [Step(part: .fraction)]
        case "z": return [Step(part: .zone)]
        case "Z": return [Step(part: .zoneName)]
        case "s": return [Step(part: .epoch)]
        case "F": return some(.year, .month, .day, between: "-")
        case "D": return some(.month, .day, .shortYear, between: "/")
        case "T": return some(.hour, .minute, .second, between: ":")
        case "R": return some(.hour, .minute, between: ":")
        case "n", "t": return [Step(part: .blanks)]
        case "%": return [Step(part: .byte, byte: directive)]
        default: return nil
        }
    }

    /// Reads the texts, as far as each is a time, and returns how many were.
    func read(
        _ texts: UnsafePointer<Text>, count: Int, into values: UnsafeMutablePointer<Double>,
        _ day: inout SameDay
    ) -> Int {
        steps.withUnsafeBufferPointer { steps in
            for row in 0..<count {
                let text = texts[row]
                if let seconds = day.seconds(text) {
                    values[row] = seconds
                    continue
                }
                var places = SameDay.Places()
                guard let seconds = Self.seconds(text, steps, &places) else { return row }
                values[row] = seconds
                day.remember(text, places, seconds)
            }
            return count
        }
    }

    /// What the steps read beside a time's own parts.
    private struct Extra {
        var dayOfYear = 0
        var isMorning: Bool?
        var hour12: Int?
        /// Seconds from 1970 on, or back from it: -1.5 is a second and a half before.
        var epoch: Int?
        var isBefore1970 = false
    }

    @inline(__always)
    private static func seconds(
        _ text: Text, _ steps: UnsafeBufferPointer<Step>, _ places: inout SameDay.Places
    ) -> Double? {
        var place = TimeText(text)
        var time = CivilTime()
        var extra = Extra()
        for step in steps {
            switch step.part {
            case .byte: if !place.take(step.byte) { return nil }
            case .blanks: place.skipBlanks()
            case .year:
                guard let year = place.digits(atMost: 4) else { return nil }
                time.year = year
            case .shortYear:
                guard let year = place.digits(atMost: 2) else { return nil }
                time.year = year &+ (year < 69 ? 2000 : 1900)
            case .month:
                guard let month = place.digits(atMost: 2) else { return nil }
                time.month = month
            case .monthName:
                guard
                    let month = place.name(
                        """
                        january  february march    april    may      june     july     august   september\
                        october  november december\u{20}
                        """)
                else { return nil }
                time.month = month &+ 1
            case .weekday:
                guard
                    place.name("monday   tuesday  wednesdaythursday friday   saturday sunday   ") != nil
                else { return nil }
            case .day:
                guard let day = place.digits(atMost: 2) else { return nil }
                time.day = day
            case .dayOfYear:
                guard let day = place.digits(atMost: 3), day >= 1 else { return nil }
                extra.dayOfYear = day
            case .hour:
                guard let hour = place.digits(atMost: 2, &places.hour, in: text) else { return nil }
                time.hour = hour
            case .hour12:
                guard let hour = place.digits(atMost: 2), hour >= 1, hour <= 12 else { return nil }
                places.isOther = true
                extra.hour12 = hour % 12
            case .half:
                let letter = place.next() | 0x20
                guard letter == UInt8(ascii: "a") || letter == UInt8(ascii: "p"),
                    place.next() | 0x20 == UInt8(ascii: "m")
                else { return nil }
                extra.isMorning = letter == UInt8(ascii: "a")
            case .minute:
                guard let minute = place.digits(atMost: 2, &places.minute, in: text) else { return nil }
                time.minute = minute
            case .second:
                guard let second = place.digits(atMost: 2, &places.second, in: text) else { return nil }
                time.second = second
            case .fraction:
                if !place.fraction(&time) { return nil }
                places.isOther = true
            case .zone: if !place.zone(&time) { return nil }
            case .zoneName: if !place.universalTime() { return nil }
            case .epoch:
                let isNegative = place.take(UInt8(ascii: "-"))
                guard let seconds = place.digits(atMost: 12) else { return nil }
                places.isOther = true
                (extra.epoch, extra.isBefore1970) = (seconds, isNegative)
            }
        }
        guard place.isAtEnd else { return nil }
        return seconds(time, extra)
    }

    @inline(__always)
    private static func seconds(_ time: CivilTime, _ extra: Extra) -> Double? {
        if let epoch = extra.epoch {
            let distance = CivilTime.seconds(epoch, time.fraction, time.fractionDigits)
            return extra.isBefore1970 ? 0 - distance : distance
        }
        var time = time
        if let hour = extra.hour12 { time.hour = hour &+ (extra.isMorning == false ? 12 : 0) }
        if extra.dayOfYear > 0 {
            if extra.dayOfYear > (Calendar.isLeap(time.year) ? 366 : 365) { return nil }
            let date = Calendar.date(Calendar.days(time.year, 1, 1) &+ extra.dayOfYear &- 1)
            (time.month, time.day) = (date.month, date.day)
        }
        return time.seconds
    }
}
