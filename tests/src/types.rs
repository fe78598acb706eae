//! Every column type of both servers, with the values at its borders.

use otter_server::sandbox::Flavor;

/// How a value is selected so that it looks as the selector's value is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum As {
    /// As it is.
    Plain,
    /// As a number: ENUM, SET, BIT.
    Number,
    /// The stored bytes in hexadecimal.
    Hex,
    /// Texts: plain where the bytes are ASCII, else in hexadecimal.
    Text,
    /// FLOAT and DOUBLE: compared as numbers.
    Float,
}

/// A column's type, how it is selected, and values to insert.
pub type Case = (&'static str, As, &'static [&'static str]);

/// Types that both servers have.
pub const COMMON: &[Case] = &[
    ("TINYINT", As::Plain, &["-128", "-1", "0", "127"]),
    ("TINYINT UNSIGNED", As::Plain, &["0", "128", "255"]),
    ("SMALLINT", As::Plain, &["-32768", "32767"]),
    ("SMALLINT UNSIGNED", As::Plain, &["65535"]),
    ("MEDIUMINT", As::Plain, &["-8388608", "-1", "8388607"]),
    ("MEDIUMINT UNSIGNED", As::Plain, &["16777215"]),
    ("INT", As::Plain, &["-2147483648", "2147483647"]),
    ("INT UNSIGNED ZEROFILL", As::Number, &["7", "4294967295"]),
    ("BIGINT", As::Plain, &["-9223372036854775808", "9223372036854775807"]),
    ("BIGINT UNSIGNED", As::Plain, &["18446744073709551615"]),
    ("FLOAT", As::Float, &["1.5", "-0.25", "3.4e38", "1e-38", "0"]),
    ("DOUBLE", As::Float, &["1.1", "-2.2250738585072014e-308", "1.7976931348623157e308"]),
    ("DECIMAL(10,2)", As::Plain, &["0", "-0.01", "99999999.99", "-12345678.90"]),
    (
        "DECIMAL(65,30)",
        As::Plain,
        &[
            "-12345678901234567890123456789012345.123456789012345678901234567890",
            "0.000000000000000000000000000001",
        ],
    ),
    ("DECIMAL(9,9)", As::Plain, &["0.123456789", "-0.999999999"]),
    ("DECIMAL(18,0) UNSIGNED", As::Plain, &["999999999999999999"]),
    ("BIT(1)", As::Number, &["b'0'", "b'1'"]),
    ("BIT(13)", As::Number, &["b'1010101010101'"]),
    ("BIT(64)", As::Number, &["18446744073709551615"]),
    ("YEAR", As::Plain, &["0000", "1901", "2155"]),
    ("DATE", As::Plain, &["'0000-00-00'", "'2024-00-00'", "'1000-01-01'", "'9999-12-31'"]),
    ("TIME", As::Plain, &["'-838:59:59'", "'838:59:59'", "'00:00:00'", "'-00:00:01'"]),
    ("TIME(1)", As::Plain, &["'-00:00:01.5'", "'12:34:56.7'"]),
    ("TIME(2)", As::Plain, &["'-00:00:00.01'", "'-12:34:56.78'"]),
    ("TIME(3)", As::Plain, &["'-00:00:00.001'", "'-838:59:58.999'"]),
    ("TIME(4)", As::Plain, &["'-00:00:00.0001'", "'12:34:56.7891'"]),
    ("TIME(6)", As::Plain, &["'-00:00:00.000001'", "'-12:34:56.789012'"]),
    ("DATETIME", As::Plain, &["'0000-00-00 00:00:00'", "'2024-02-29 23:59:59'"]),
    ("DATETIME(1)", As::Plain, &["'2024-02-29 23:59:59.9'"]),
    ("DATETIME(3)", As::Plain, &["'2024-00-00 00:00:00.001'", "'9999-12-31 23:59:59.999'"]),
    ("DATETIME(6)", As::Plain, &["'1000-01-01 00:00:00.000001'"]),
    ("TIMESTAMP NULL", As::Plain, &["'0000-00-00 00:00:00'", "'2038-01-19 03:14:07'"]),
    ("TIMESTAMP(2) NULL", As::Plain, &["'1970-01-01 00:00:01.01'"]),
    ("TIMESTAMP(6) NULL", As::Plain, &["'2024-06-01 12:00:00.123456'"]),
    ("CHAR(10)", As::Text, &["''", "'abc'", "'中文é'"]),
    ("CHAR(255)", As::Text, &["'abc'", "REPEAT('中', 255)"]),
    ("VARCHAR(10)", As::Text, &["''", "'a b '", "'中文'"]),
    ("VARCHAR(63)", As::Text, &["REPEAT('é', 63)"]),
    ("VARCHAR(64)", As::Text, &["REPEAT('é', 64)"]),
    ("VARCHAR(2000)", As::Text, &["REPEAT('x', 2000)", "'short'"]),
    ("VARCHAR(10) CHARACTER SET latin1", As::Text, &["'é€'", "'plain'"]),
    ("CHAR(10) CHARACTER SET gbk", As::Text, &["'中文'"]),
    ("VARCHAR(10) CHARACTER SET ucs2", As::Hex, &["'aé中'"]),
    ("VARCHAR(10) CHARACTER SET utf16", As::Hex, &["'😀'"]),
    ("VARCHAR(10) CHARACTER SET utf32", As::Hex, &["'😀'"]),
    ("VARCHAR(10) CHARACTER SET sjis", As::Text, &["'表'"]),
    ("VARCHAR(255) CHARACTER SET utf8mb3", As::Text, &["''", "REPEAT('中', 255)", "'é '"]),
    ("TEXT CHARACTER SET utf8mb3", As::Text, &["'中'"]),
    ("VARCHAR(255) CHARACTER SET latin1", As::Text, &["REPEAT('€', 255)", "X'818D8F909D'"]),
    ("VARCHAR(256) CHARACTER SET latin1", As::Text, &["REPEAT('ÿ', 256)"]),
    ("CHAR(255) CHARACTER SET latin1", As::Text, &["REPEAT('é', 255)", "''"]),
    ("VARCHAR(127) CHARACTER SET gbk", As::Text, &["''", "REPEAT('中', 127)", "X'815C'"]),
    ("VARCHAR(128) CHARACTER SET gbk", As::Text, &["REPEAT('中', 128)"]),
    ("ENUM('中','文') CHARACTER SET gbk", As::Number, &["'文'"]),
    ("CHAR(10) CHARACTER SET big5", As::Text, &["'中文'", "'功'", "''"]),
    ("TEXT CHARACTER SET big5", As::Text, &["'許功蓋'"]),
    ("CHAR(10) CHARACTER SET sjis", As::Text, &["'ｱ表'", "''"]),
    ("CHAR(10) CHARACTER SET ujis", As::Text, &["'日本'", "''"]),
    ("VARCHAR(85) CHARACTER SET ujis", As::Text, &["REPEAT('本', 85)"]),
    ("VARCHAR(86) CHARACTER SET ujis", As::Text, &["REPEAT('本', 86)"]),
    ("CHAR(10) CHARACTER SET euckr", As::Text, &["'한국'", "''"]),
    ("TEXT CHARACTER SET euckr", As::Text, &["REPEAT('한', 300)"]),
    ("CHAR(127) CHARACTER SET ucs2", As::Hex, &["''", "REPEAT('中', 127)", "'a'"]),
    ("CHAR(128) CHARACTER SET ucs2", As::Hex, &["REPEAT('中', 128)"]),
    ("CHAR(63) CHARACTER SET utf16", As::Hex, &["''", "REPEAT('😀', 63)", "'a'"]),
    ("TEXT CHARACTER SET utf16", As::Hex, &["'é😀'"]),
    ("CHAR(64) CHARACTER SET utf32", As::Hex, &["''", "REPEAT('😀', 64)", "'a'"]),
    ("TEXT CHARACTER SET utf32", As::Hex, &["'é😀'"]),
    ("VARBINARY(255)", As::Hex, &["REPEAT(X'00', 255)", "X'20'"]),
    ("VARBINARY(256)", As::Hex, &["REPEAT(X'FF', 256)"]),
    ("TINYBLOB", As::Hex, &["REPEAT(X'FF', 255)"]),
    ("BLOB", As::Hex, &["REPEAT(X'00', 65535)"]),
    ("CHAR(5) CHARACTER SET binary", As::Hex, &["'ab'"]),
    ("BINARY(10)", As::Hex, &["X'00FF'", "X'610000'", "''"]),
    ("BINARY(255)", As::Hex, &["X'01'"]),
    ("VARBINARY(300)", As::Hex, &["X'00FF00'", "''"]),
    ("TINYBLOB", As::Hex, &["X'0001'", "''"]),
    ("BLOB", As::Hex, &["REPEAT(X'AB', 300)"]),
    ("MEDIUMBLOB", As::Hex, &["REPEAT(X'AB', 70000)"]),
    ("LONGBLOB", As::Hex, &["X'FF'"]),
    ("TINYTEXT", As::Text, &["'tiny'"]),
    ("TEXT", As::Text, &["REPEAT('é', 3000)"]),
    ("MEDIUMTEXT", As::Text, &["'medium'"]),
    ("LONGTEXT CHARACTER SET latin1", As::Text, &["'é'"]),
    ("ENUM('a','b','c')", As::Number, &["'a'", "'c'", "''"]),
    ("ENUM('é','b') CHARACTER SET latin1", As::Number, &["'é'"]),
    ("SET('a','b','c')", As::Number, &["''", "'a,c'", "'a,b,c'"]),
    (
        "GEOMETRY",
        As::Hex,
        &["ST_GeomFromText('POINT(1 2)')", "ST_GeomFromText('LINESTRING(0 0,1 1)')"],
    ),
];

const MYSQL: &[Case] = &[
    ("CHAR(10) CHARACTER SET gb18030", As::Text, &["'中文'", "'😀é'", "''"]),
    ("VARCHAR(63) CHARACTER SET gb18030", As::Text, &["REPEAT('😀', 63)"]),
    ("VARCHAR(64) CHARACTER SET gb18030", As::Text, &["REPEAT('😀', 64)"]),
    (
        "JSON",
        As::Plain,
        &[
            "'{\"b\":1,\"aa\":[1,2.5,1e20,-0.0,true,null,\"x\\\\\"y\"],\"a\":{}}'",
            "'[]'",
            "'\"text\"'",
            "'null'",
            "JSON_ARRAY(1.50, 18446744073709551615, -9223372036854775808, 65536, -32769)",
            "JSON_ARRAY(CAST('2024-01-02 03:04:05.6' AS DATETIME(3)), CAST('-12:34:56.5' AS TIME(1)))",
            "JSON_ARRAY(CAST('2024-01-02' AS DATE), CAST(X'00FF' AS BINARY), b'101')",
            "JSON_ARRAY(1e15, 1e14, 1e-14, 1e-15, 1e-16, 1.5e300, 0.1e0, 123456789012345680000e0)",
            "JSON_OBJECT('k', REPEAT('é', 40000), 'z', JSON_ARRAY(1, 2))",
            "JSON_ARRAY('a\\nb\\tc', CHAR(1 USING utf8mb4))",
        ],
    ),
    ("VECTOR(3)", As::Hex, &["STRING_TO_VECTOR('[1,2,3.5]')"]),
    ("INT GENERATED ALWAYS AS (id * 2) VIRTUAL", As::Plain, &["DEFAULT"]),
    ("INT GENERATED ALWAYS AS (id * 3) STORED", As::Plain, &["DEFAULT"]),
];

const MARIADB: &[Case] = &[
    (
        "UUID",
        As::Plain,
        &[
            "'550e8400-e29b-41d4-a716-446655440000'",
            "'00000000-0000-0000-0000-000000000000'",
            "'ffffffff-ffff-1fff-8fff-ffffffffffff'",
        ],
    ),
    (
        "INET6",
        As::Plain,
        &["'::'", "'fe80::1'", "'2001:db8::ff00:42:8329'", "'::ffff:192.168.1.1'"],
    ),
    ("INET4", As::Plain, &["'0.0.0.0'", "'192.168.1.0'", "'255.255.255.255'"]),
    ("JSON", As::Text, &["'{\"b\": 1,  \"a\": 2}'"]),
    ("BINARY(16)", As::Hex, &["X'0102'"]),
    ("VARCHAR(1000) COMPRESSED", As::Text, &["''", "'short'", "REPEAT('é', 900)"]),
    ("BLOB COMPRESSED", As::Hex, &["''", "REPEAT(X'AB', 3000)"]),
    ("LONGTEXT COMPRESSED", As::Text, &["REPEAT('long ', 3000)"]),
    ("INT INVISIBLE", As::Plain, &["7"]),
    ("INT GENERATED ALWAYS AS (id * 2) VIRTUAL", As::Plain, &["DEFAULT"]),
    ("INT GENERATED ALWAYS AS (id * 3) STORED", As::Plain, &["DEFAULT"]),
];

/// Zero dates and out of range values are wanted as they are.
pub const SQL_MODE: &str = "SET SESSION sql_mode = '', time_zone = '+00:00'";

/// All types of a server.
#[must_use]
pub fn cases(flavor: Flavor) -> Vec<Case> {
    let own = match flavor {
        Flavor::MySql => MYSQL,
        Flavor::MariaDb => MARIADB,
    };
    COMMON.iter().chain(own).copied().collect()
}
