import { type Notifications, openNotifications } from '../../storage/database/notifications.ts'
import { subjectKinds } from '../../routing/config/subject-kind.ts'
import type { ConfigFollower, ConfigNotice } from './follower.ts'
import type { GatewayRegistry } from '../gateways/registry.ts'
import type { Log } from '../log/log.ts'
import { requestChannel, type RequestFeed } from '../usage/request-feed.ts'

/**
 * Hears of changes by `NOTIFY` and hands them on. Notices that come while the connection is broken are lost, so everything
 * is loaded anew when it is back.
 */
export function followNotifications(options: {
  readonly databaseUrl: string
  readonly follower: ConfigFollower
  readonly registry: GatewayRegistry
  readonly feed: RequestFeed
  readonly log: Log
}): Notifications {
  const { databaseUrl, follower, registry, feed, log } = options
  let wasBroken = false
  return openNotifications({
    url: databaseUrl,
    channels: ['signalbox_config', 'signalbox_applied', requestChannel],
    onNotification(channel, payload) {
      if (channel === 'signalbox_config') follower.hear(noticeOf(payload))
      else if (channel === requestChannel) feed.hear(payload)
      else registry.noticeApplied()
    },
    onListening() {
      if (!wasBroken) return follower.wake()
      wasBroken = false
      follower.reload().catch((error: unknown) => log.error({ err: error }, 'the configuration could not be loaded'))
    },
    onBroken(error) {
      if (!wasBroken) log.warn({ error: error.message }, 'the connection for notices broke; trying again')
      wasBroken = true
    },
  })
}

/** The notification of a commit. Earlier releases send only the number, or the number and the token. */
export function noticeOf(payload: string): ConfigNotice {
  const [version, token = '', kinds = ''] = payload.split(' ')
  return { version: Number(version), token, kinds: subjectKinds.filter((kind) => kinds.split(',').includes(kind)) }
}
