#!/bin/bash
# Entry point of the stand-in for the image `zookeeper`: reads the documented environment of the public image
# (https://hub.docker.com/_/zookeeper), writes zoo.cfg and myid if they are missing, and serves as user `zookeeper`.
set -euo pipefail

if (( EUID == 0 )); then
  chown -R zookeeper "$ZOO_DATA_DIR" "$ZOO_DATA_LOG_DIR" "$ZOO_LOG_DIR" "$ZOO_CONF_DIR"
  exec gosu zookeeper "$0" "$@"
fi

config=$ZOO_CONF_DIR/zoo.cfg
if [[ ! -e $config ]]; then
  # One setting per line: those with a variable of their own, the servers, and all others.
  read -ra servers <<<"${ZOO_SERVERS:-server.1=localhost:2888:3888;2181}"
  read -ra extra <<<"${ZOO_CFG_EXTRA:-}"
  settings=(
    "dataDir=$ZOO_DATA_DIR" "dataLogDir=$ZOO_DATA_LOG_DIR"
    "tickTime=$ZOO_TICK_TIME" "initLimit=$ZOO_INIT_LIMIT" "syncLimit=$ZOO_SYNC_LIMIT"
    "autopurge.purgeInterval=$ZOO_AUTOPURGE_PURGEINTERVAL"
    "autopurge.snapRetainCount=$ZOO_AUTOPURGE_SNAPRETAINCOUNT"
    "maxClientCnxns=$ZOO_MAX_CLIENT_CNXNS" "standaloneEnabled=$ZOO_STANDALONE_ENABLED"
    "admin.enableServer=$ZOO_ADMINSERVER_ENABLED" "${servers[@]}"
    ${ZOO_4LW_COMMANDS_WHITELIST:+"4lw.commands.whitelist=$ZOO_4LW_COMMANDS_WHITELIST"} "${extra[@]}"
  )
  printf '%s\n' "${settings[@]}" >"$config"
fi
[[ -e $ZOO_DATA_DIR/myid ]] || echo "${ZOO_MY_ID:-1}" >"$ZOO_DATA_DIR/myid"

[[ $* == "zkServer.sh start-foreground" ]] || exec "$@"
jars=(zookeeper zookeeper-jute slf4j-api slf4j-simple servlet-api netty-codec netty-resolver netty-transport-native-unix-common)
printf -v path '/usr/share/java/%s.jar:' "${jars[@]}"
# shellcheck disable=SC2086 # the flags are words
exec java -Xmx"${ZK_SERVER_HEAP:-1000}m" ${SERVER_JVMFLAGS:-} ${JVMFLAGS:-} -cp "$path" \
  org.apache.zookeeper.server.quorum.QuorumPeerMain "$config"
