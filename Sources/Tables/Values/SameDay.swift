/// The last time that was read, for others that differ from it in the digits of hour, minute, and second alone: in a log
/// these are most.
struct SameDay {
    /// Where a text has its time of day, by its parts with two digits; -1 where it has none.
    struct Places {
        var hour = -1
        var minute = -1
        var second = -1
        /// The value depends on them in another way.
        var isOther = false

        init() {}

        /// Of a time in ISO 8601.
        init(iso text: Text) {
            let bytes = text.buffer
            isOther =
                text.count < 19 || bytes[13] != UInt8(ascii: ":") || bytes[16] != UInt8(ascii: ":")
                || text.count > 19 && (bytes[19] == UInt8(ascii: ".") || bytes[19] == UInt8(ascii: ","))
            (hour, minute, second) = (11, 14, 17)
        }
    }

    /// The text in words, of which the last two may overlap, without those digits.
    private var words = SIMD4<UInt64>()
    private var masks = SIMD4<UInt64>()
    /// Bytes; 0: nothing is remembered.
    private var count = 0
    private var places = Places()
    /// Of the time 00:00:00, which need not be in the text's own day.
    private var midnight = 0.0

    /// Times that were not of the same day, one after the other.
    private var misses = 0

    /// What the text means; nil if that cannot be told.
    @inline(__always)
    mutating func seconds(_ text: Text) -> Double? {
        guard text.count == count, count > 0 else { return nil }
        let differences = (SameDay.words(text) ^ words) & masks
        guard differences[0] | differences[1] | differences[2] | differences[3] == 0 else { return nil }
        let (hour, minute, second) = (
            SameDay.pair(text, places.hour), SameDay.pair(text, places.minute),
            SameDay.pair(text, places.second)
        )
        guard hour < 24, minute < 60, second < 60 else { return nil }
        misses = 0
        return midnight + Double((hour &* 60 &+ minute) &* 60 &+ second)
    }

    /// - Parameter seconds: What the text means.
    @inline(never)
    mutating func remember(_ text: Text, _ places: Places, _ seconds: Double) {
        // Where the days are mixed it is not tried each time.
        misses &+= 1
        if misses > 4 && misses & 15 != 0 { return }
        count = 0
        guard text.count >= 8, text.count <= 32, !places.isOther,
            places.hour >= 0, places.minute >= 0, places.second >= 0
        else { return }
        let (hour, minute, second) = (
            SameDay.pair(text, places.hour), SameDay.pair(text, places.minute),
            SameDay.pair(text, places.second)
        )
        guard hour < 24, minute < 60, second < 60 else { return }
        (self.places, count) = (places, text.count)
        midnight = seconds - Double((hour &* 60 &+ minute) &* 60 &+ second)
        words = SameDay.words(text)
        for (index, start) in [0, min(8, count &- 8), min(16, count &- 8), count &- 8].enumerated() {
            masks[index] =
                ~(SameDay.pair(at: places.hour &- start) | SameDay.pair(at: places.minute &- start)
                | SameDay.pair(at: places.second &- start))
        }
    }

    /// Two bytes of a word, of which it may have one or none.
    private static func pair(at place: Int) -> UInt64 {
        place < 0 ? (place == -1 ? 0xFF : 0) : 0xFFFF << UInt64(place &* 8)
    }

    @inline(__always)
    private static func words(_ text: Text) -> SIMD4<UInt64> {
        let bytes = UnsafeRawPointer(text.start)
        let last = text.count &- 8
        func word(_ place: Int) -> UInt64 { bytes.loadUnaligned(fromByteOffset: place, as: UInt64.self) }
        return SIMD4(word(0), word(min(8, last)), word(min(16, last)), word(last))
    }

    /// The value of two digits; more than 99 if they are none.
    @inline(__always)
    private static func pair(_ text: Text, _ place: Int) -> Int {
        let (tens, ones) = (text.start[place] &- 48, text.start[place &+ 1] &- 48)
        return tens > 9 || ones > 9 ? 100 : Int(tens) &* 10 &+ Int(ones)
    }
}
