internal import CMemoryMap

/// Dates of the Gregorian calendar, also before it was introduced.
package enum Calendar {
    /// Days from 1970-01-01 to a date, for years from -400,000 on.
    @inline(__always)
    static func days(_ year: Int, _ month: Int, _ day: Int) -> Int {
        // Years begin in March here, so that the leap day is the last. 400 years have 146,097 days.
        let year = (month <= 2 ? year &- 1 : year) &+ 400_000
        let dayOfYear = (153 &* (month &+ (month > 2 ? -3 : 9)) &+ 2) / 5 &+ day &- 1
        let days = year &* 365 &+ year / 4 &- year / 100 &+ year / 400 &+ dayOfYear
        return days &- 719_468 &- 146_097 &* 1000
    }

    /// The date so many days after 1970-01-01.
    @inline(__always)
    static func date(_ days: Int) -> (year: Int, month: Int, day: Int) {
        let shifted = days &+ 719_468
        let era = (shifted >= 0 ? shifted : shifted &- 146_096) / 146_097
        let day = shifted &- era &* 146_097
        let year = (day &- day / 1460 &+ day / 36_524 &- day / 146_096) / 365
        let dayOfYear = day &- (365 &* year &+ year / 4 &- year / 100)
        let month = (5 &* dayOfYear &+ 2) / 153
        return (
            year &+ era &* 400 &+ (month >= 10 ? 1 : 0), month < 10 ? month &+ 3 : month &- 9,
            dayOfYear &- (153 &* month &+ 2) / 5 &+ 1
        )
    }

    @inline(__always)
    static func isLeap(_ year: Int) -> Bool { year & 3 == 0 && (year % 100 != 0 || year % 400 == 0) }

    @inline(__always)
    static func length(of month: Int, _ year: Int) -> Int {
        month == 2 ? (isLeap(year) ? 29 : 28) : 30 &+ ((month &+ month &>> 3) & 1)
    }
}

/// A time rounded down to the start of its hour, day, month or year in UTC.
func truncated(_ time: Double, to unit: TimeUnit) -> Double {
    // Beyond are neither whole seconds nor dates.
    guard time.magnitude < 1e13 else { return time }
    let seconds = Int(time.rounded(.down))
    func down(_ value: Int, _ step: Int) -> Int { (value >= 0 ? value : value &- step &+ 1) / step }
    if unit == .hour { return Double(down(seconds, 3600) &* 3600) }
    let day = down(seconds, 86400)
    if unit == .day { return Double(day &* 86400) }
    let date = Calendar.date(day)
    if unit == .month { return Double((day &- date.day &+ 1) &* 86400) }
    return Double(Calendar.days(date.year, 1, 1) &* 86400)
}

/// A point in time as people write it.
struct CivilTime {
    var year = 1970
    var month = 1
    var day = 1
    var hour = 0
    var minute = 0
    var second = 0
    /// Digits after the decimal point as a number, and how many there are: 18 at most.
    var fraction = 0
    var fractionDigits = 0
    /// Minutes that the clock is ahead of UTC.
    var offset = 0

    /// Seconds since 1970-01-01T00:00:00Z; nil if there is no such time.
    @inline(__always)
    var seconds: Double? {
        guard month &- 1 < 12, month >= 1, day >= 1, day <= Calendar.length(of: month, year), hour < 24,
            minute < 60, second < 60
        else { return nil }
        let days = Calendar.days(year, month, day)
        return Self.seconds(
            days &* 86400 &+ hour &* 3600 &+ (minute &- offset) &* 60 &+ second, fraction, fractionDigits)
    }

    /// The sum, rounded once where the fraction has six digits at most.
    @inline(__always)
    static func seconds(_ whole: Int, _ fraction: Int, _ digits: Int) -> Double {
        if digits == 0 { return Double(whole) }
        let scale = mm_power_of_ten(digits)
        let (product, overflow) = whole.multipliedReportingOverflow(by: Int(scale))
        let (sum, carry) = product.addingReportingOverflow(fraction)
        // Both sides of the division are exact.
        if !overflow && !carry && sum.magnitude <= 1 << 53 { return Double(sum) / scale }
        // Whole seconds have so many bits that the error of the quotient is far below half of the sum's last one.
        return Double(whole) + Double(fraction) / scale
    }
}
