#!/usr/bin/env python3
"""Makes recorded.txt: JSON documents, and what Python's json reads in them.

A line is a document, a tab, and its value; both in ASCII, other bytes and % as %XX. A value is
`reject`, or n t f, i and digits, d and the 16 digits of a float's bits, s and the bytes in hexadecimal,
[ values ], { keys and values } with the keys in the order of their bytes. Of equal keys the last counts.
"""
import json, random, struct, sys

CASES = rb'''
[]
{}
[[]]
[{}]
{"a":[]}
{"a":{}}
[ ]
{ }
 [1]
[1]	
null
true
false
0
-0
1
-1
42
1.5
-1.5e3
1E5
1e+5
1e-5
0.1
0e1
0e+1
1E-2
123456789012345678
9223372036854775807
9223372036854775808
-9223372036854775808
-9223372036854775809
18446744073709551615
18446744073709551616
100000000000000000000000000000000000001
1.7976931348623157e308
2.2250738585072014e-308
4.9406564584124654e-324
1e-400
0.30000000000000004
9007199254740993.0
123.456e78
-0.0
-0e5
""
"a"
"\""
"\\"
"\/"
"\b\f\n\r\t"
"\u0041"
"\u00e9"
"\u20AC"
"\ud834\udd1e"
"\uD834\uDD1E"
"\u0000"
"\uffff"
"a\u0062c"
"\\u0041"
"\\\\"
"\\\""
"caf\xc3\xa9"
"\xf0\x9f\x98\x80"
"\xe2\x82\xac"
"\x7f"
"/"
[1,2,3]
[1 , 2 , 3]
{"a":1}
{"a":1,"b":2}
{"b":1,"a":2}
{"a":1,"a":2}
{"a":{"b":1},"a":{"c":2}}
{"":0}
{"a b":0}
{"\u0061":0}
{"a\nb":0}
{"a":[1,{"b":[true,false,null]}],"c":"d"}
[null,true,false,1,1.5,"s",[],{}]
[[[[[[[[]]]]]]]]
{"a":{"b":{"c":{"d":{}}}}}
["]"]
["}"]
["[","{",",",":"]
["a\\"]
["\\\\","b"]
{"a\\":1}
[1,]
[,1]
[1,,2]
[
]
{
}
[1
{"a"
{"a":
{"a":1
{"a":1,
{"a":1,}
{,"a":1}
{"a" 1}
{"a"::1}
{"a":1:2}
{a:1}
{'a':1}
{1:1}
{"a":1 "b":2}
{"a":1,,"b":2}
{null:1}
{[]:1}
[1 2]
[1:2]
[}
{]
[1}
{"a":1]
["a
"a
"a\"
"
"\
"\u
"\u00
"\u00g0"
"\x41"
"\a"
"\'"
"\U0041"
"\ud834"
"\udd1e"
"\ud834\u0041"
"\ud834x"
"\ud834\"
'a'
"a"b
"a" "b"
"a""b"
01
-01
1.
.5
+1
-
-a
1e
1e+
1.e5
1.5.5
1e5e5
0x10
1_000
- 1
00
0 0
1a
1true
nul
nulll
Null
tru
True
truee
TRUE
fals
false1
undefined
NaN
Infinity
-Infinity
nan
-nan
inf
[NaN]
[a]
[-]
[true false]
[1]x
[1]]
[1][2]
{}{}
{}}
[],
1 2
,
:
;
@
#
/
// a
/* a */ 1
[1 /* a */]
[1] // a
\u0061
*
&
%
'''

BYTES = [
    b'', b' ', b'\n', b'\t\r\n ', b'\x00', b'\xef\xbb\xbf{}', b'"\x00"', b'"\x1f"', b'"\n"', b'"\t"', b'["a\nb"]',
    b'[1\x00]', b'[\x0c1]', b'[1]\x0c', b'[1]\x1a', b'\x0b[1]', b'\xa0[1]', b'\xc2\xa0[1]', b'\xe2\x80\xa8[1]',
    b'"\xff"', b'"\xc0\xaf"', b'"\xc3"', b'"\xc3\x28"', b'"\xed\xa0\x80"', b'"\xf4\x90\x80\x80"', b'"\xf0\x9f\x98"',
    b'"\xe0\x80\x80"', b'"\x80"', b'\xff', b'[1\xff]', b'{"\xff":1}', b'"' + b'a' * 100 + b'"', b'"' + b'a' * 64 + b'\\n"',
    b'"' + b'a' * 63 + b'\\"' + b'b' * 70 + b'"', b'[' + b'1,' * 100 + b'1]', b' ' * 130 + b'[1]' + b' ' * 130,
    b'[' * 100 + b']' * 100, b'{"a":' * 100 + b'1' + b'}' * 100, b'[' * 100, b'1' * 400, b'-' + b'1' * 30,
    b'0.' + b'1' * 400, b'1' * 300 + b'.5', b'1' * 20 + b'e-10', b'"' + b'\\u0041' * 30 + b'"',
    b'"' + b'\xc3\xa9' * 40 + b'"', b'"' + b'\\' * 128 + b'"', b'"' + b'\\' * 129 + b'"', b'{"a":1}\r\n', b'\r\n{"a":1}',
]


def unescape_cases():
    for line in CASES.strip(b'\n').split(b'\n'):
        # \xNN in the list stands for a byte; what is written "\x41" is a wrong escape and stays.
        out, i = b'', 0
        while i < len(line):
            if line[i:i + 2] == b'\\x' and line[i + 2:i + 4] not in (b'41',):
                out += bytes([int(line[i + 2:i + 4], 16)])
                i += 4
            elif line[i:i + 2] == b'\\\\':
                out += b'\\\\'
                i += 2
            else:
                out += line[i:i + 1]
                i += 1
        yield out


def random_document(r, depth=0):
    space = r.choice([b'', b'', b'', b' ', b'\n', b'  \t'])
    kind = r.randrange(9 if depth < 5 else 6)
    if kind == 0:
        text = r.choice([b'null', b'true', b'false'])
    elif kind == 1:
        text = str(r.choice([0, 1, -1, r.randrange(-1000, 1000), r.randrange(-2**63, 2**63), r.randrange(0, 2**64)])).encode()
    elif kind == 2:
        text = repr(struct.unpack('<d', r.randbytes(8))[0]).encode()
        if not text.strip(b'-')[:1].isdigit():
            text = b'1.25'
    elif kind < 6:
        text = b'"'
        for _ in range(r.choice([0, 1, 3, 8, 30, 80])):
            text += r.choice([b'a', b'bc', b' ', b',', b':', b'{', b']', b'\\n', b'\\"', b'\\\\', b'\\u00e9', b'\\ud83d\\ude00', '\u00e9'.encode(), '\u20ac'.encode(), '\U0001f600'.encode()])
        text += b'"'
    elif kind == 6 or kind == 7:
        text = b'[' + b','.join(random_document(r, depth + 1) for _ in range(r.randrange(5))) + b']'
    else:
        pairs = []
        for _ in range(r.randrange(6)):
            key = r.choice([b'"a"', b'"b"', b'"\\u0061"', b'"key"', b'""', b'"a.b"', b'"\xc3\xa9"'])
            pairs.append(space + key + space + b':' + random_document(r, depth + 1))
        text = b'{' + b','.join(pairs) + space + b'}'
    return space + text + space


def value(v):
    if v is None: return 'n'
    if v is True: return 't'
    if v is False: return 'f'
    if isinstance(v, int): return 'i%d' % v
    if isinstance(v, float): return 'd' + struct.pack('>d', v).hex()
    if isinstance(v, str): return 's' + v.encode('utf-8').hex()
    if isinstance(v, list): return '[' + ' '.join(map(value, v)) + ']'
    return '{' + ' '.join(value(k) + ' ' + value(v[k]) for k in sorted(v, key=lambda k: k.encode('utf-8'))) + '}'


def refuse(text):
    raise ValueError(text)


def read(document):
    try:
        return value(json.loads(document.decode('utf-8'), parse_constant=refuse))
    except (ValueError, UnicodeError):
        return 'reject'


def quoted(document):
    return ''.join(chr(c) if 32 <= c < 127 and c != 37 else '%%%02X' % c for c in document)


r = random.Random(1)
documents = list(unescape_cases()) + BYTES + [random_document(r) for _ in range(250)]
for _ in range(250):
    d = bytearray(random_document(r))
    for _ in range(r.randrange(1, 3)):
        i = r.randrange(len(d) + 1)
        d[i:i + r.randrange(2)] = r.choice([b'', b'"', b'\\', b'{', b'}', b'[', b']', b',', b':', b'1', b'x', b'\xff', b'\n', b' '])
    documents.append(bytes(d))
with open(__file__.rsplit('/', 1)[0] + '/recorded.txt', 'w') as out:
    for document in documents:
        out.write(quoted(document) + '\t' + read(document) + '\n')
