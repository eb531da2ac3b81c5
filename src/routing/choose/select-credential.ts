import type { LiveView } from './live-view.ts'
import type { ProviderUpstream } from '../config/snapshot.ts'

export type Credential = ProviderUpstream['credentials'][number]

/**
 * The first credential, in the operator's order, that is not benched. If all are benched, the one that is due first: only the circuit
 * may stop a provider. Null if the provider is called without a credential.
 */
export function selectCredential(provider: ProviderUpstream, live: LiveView): Credential | null {
  let soonest: Credential | null = null
  for (const credential of provider.credentials) {
    if (live.isHealthy(credential.id)) return credential
    if (!soonest || live.retryAtMs(credential.id) < live.retryAtMs(soonest.id)) soonest = credential
  }
  return soonest
}

/** The first credential that is neither benched nor in `tried`; null if there is none. */
export function nextCredential(
  provider: ProviderUpstream,
  live: LiveView,
  tried: ReadonlySet<string>,
): Credential | null {
  return provider.credentials.find(({ id }) => !tried.has(id) && live.isHealthy(id)) ?? null
}
