# shellcheck shell=bash
# MySQL: the server of this machine if there is one, else that of Debian
# unstable in the cache (Debian stable carries none).
# Sourced, never run; needs common.sh and debian.sh.

mysql_folder=$otter_cache/mysql

# Tells whether the mysqld on the PATH is MySQL 8.0 or newer; MariaDB installs
# one of that name, too.
mysql_on_path() {
    local version
    have mysqld || return 1
    version=$(mysqld --version 2>/dev/null) || return 1
    [[ $version != *MariaDB* && $version =~ Ver\ ([0-9]+)\. && ${BASH_REMATCH[1]} -ge 8 ]]
}

ensure_mysql() {
    mysql_on_path && return
    [ -x "$mysql_folder/bin/mysqld" ] && return
    have apt-get || die "MySQL 8.0 or newer is not on the PATH; install it, or set OTTER_MYSQL_BIN to the folder that holds mysqld"
    locked install_mysql
}

install_mysql() {
    [ -x "$mysql_folder/bin/mysqld" ] && return
    local fresh=$otter_cache/mysql.new
    rm -rf "$fresh" "$mysql_folder"
    say "unpacking MySQL of Debian unstable into $mysql_folder"
    unstable_unpack "$fresh" "" mysql-server-core mysql-client-core
    # shellcheck disable=SC2016 # all of these belong to the wrapper
    local prelude='# An option that chooses the files with options must come first.
case ${1-} in --no-defaults | --defaults-*) first=$1 && shift ;; *) first=--no-defaults ;; esac'
    # shellcheck disable=SC2016
    local charsets='"$first" "--character-sets-dir=$root/usr/share/mysql/charsets"'
    # shellcheck disable=SC2016
    loader_wrapper "$fresh" mysqld usr/sbin/mysqld "$prelude" \
        "$charsets"' "--lc-messages-dir=$root/usr/share/mysql" "--plugin-dir=$root/usr/lib/mysql/plugin" "$@"'
    local client
    for client in mysql mysqldump mysqlbinlog; do
        # shellcheck disable=SC2016
        loader_wrapper "$fresh" "$client" "usr/bin/$client" "$prelude" "$charsets"' "$@"'
    done
    "$fresh/bin/mysqld" --version >"$fresh/version"
    mv -T "$fresh" "$mysql_folder"
}

mysql_version() {
    if mysql_on_path; then mysqld --version; else "$mysql_folder/bin/mysqld" --version; fi
}
