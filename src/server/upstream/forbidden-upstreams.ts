import type { UrlPolicy } from '../../control/kit/context.ts'
import type { Snapshot } from '../../routing/config/snapshot.ts'
import type { Log } from '../log/log.ts'

const maxNamed = 10

/**
 * Says which configured upstreams the settings of this installation forbid: they were allowed when they were saved, and all
 * requests to them fail from now on.
 */
export function warnOfForbiddenUpstreams(snapshot: Snapshot, policy: UrlPolicy, log: Pick<Log, 'warn'>): void {
  const forbidden = listForbiddenUpstreams(snapshot, policy)
  if (forbidden.length === 0) return
  log.warn(
    { upstreams: forbidden.slice(0, maxNamed), count: forbidden.length },
    'the settings of this installation forbid addresses of upstreams that are configured: nothing is sent there. ' +
      'SIGNALBOX_UPSTREAM_ALLOW allows their ranges',
  )
}

export interface ForbiddenUpstream {
  /** The name of its provider or deployment. */
  readonly backend: string
  readonly url: string
  readonly reason: string
}

/** The addresses in the configuration that the settings of this installation forbid. */
export function listForbiddenUpstreams(snapshot: Snapshot, policy: UrlPolicy): ForbiddenUpstream[] {
  return configuredUrls(snapshot).flatMap(([label, url]) => {
    const verdict = policy.check(new URL(url))
    return verdict.ok ? [] : [{ backend: label, url, reason: verdict.reason }]
  })
}

function configuredUrls({ providers, backends }: Snapshot): (readonly [label: string, url: string])[] {
  const ofProviders = [...providers.values()].flatMap(({ name, baseUrl, proxyUrl }) =>
    [baseUrl, ...(proxyUrl === null ? [] : [proxyUrl])].map((url) => [name, url] as const),
  )
  const ofDeployments = [...backends.values()].flatMap((backend) =>
    backend.kind === 'deployment' ? backend.endpoints.map(({ url }) => [backend.label, url] as const) : [],
  )
  return [...ofProviders, ...ofDeployments]
}
