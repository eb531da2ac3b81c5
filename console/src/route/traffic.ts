import { graphql, type ResultOf } from '../api/graphql.ts'
import type { Share } from '../ui/share-bars.tsx'
import { percent } from '../ui/figures.ts'

export const RouteTraffic = graphql(`
  subscription RouteTraffic($id: ID!, $windowMs: Int!) {
    routeTraffic(by: { id: $id }, intervalMs: 1000, windowMs: $windowMs) {
      at
      revision
      windowMs
      requests
      inFlight
      fallbackShare
      targets {
        target {
          id
        }
        backendLabel
        configuredShare
        observedShare
        requests
        errorShare
        inFlight
        firstByteMs {
          p50
          p95
        }
        inputTokens
        outputTokens
      }
      divergence {
        reason
        share
        target {
          id
          backend {
            id
            label
          }
        }
      }
    }
  }
`)

export type Traffic = ResultOf<typeof RouteTraffic>['routeTraffic']

/** The bars of live traffic, without fallbacks that serve nothing. Before anything was observed they show the configuration alone. */
export function sharesOf(traffic: Traffic): readonly Share[] {
  const shown = traffic.targets.filter(({ target, requests }) => target !== null || requests > 0)
  return shown.map(({ target, backendLabel, configuredShare, observedShare }) => ({
    id: target?.id ?? backendLabel,
    label: target ? backendLabel : `${backendLabel} (fallback)`,
    configured: configuredShare,
    observed: traffic.requests > 0 ? observedShare : null,
  }))
}

export function errorShareOf({ targets, requests }: Traffic): number {
  if (requests === 0) return 0
  return targets.reduce((sum, target) => sum + target.errorShare * target.requests, 0) / requests
}

/** Of the slowest target: an average would hide it. Null if nothing was measured. */
export function slowestFirstByteMs({ targets }: Traffic): number | null {
  const measured = targets.flatMap(({ firstByteMs }) => (firstByteMs ? [firstByteMs.p95] : []))
  return measured.length > 0 ? Math.max(...measured) : null
}

/** Smaller differences are the rounding of small numbers. */
const leastShownShare = 0.005

type Divergence = Traffic['divergence'][number]

const reasons: Readonly<Record<Divergence['reason'], (target: string) => string>> = {
  FALLBACK: (target) => `${target} failed and the fallback served`,
  UNHEALTHY: (target) => `${target} is left out because it is unhealthy`,
  SATURATED: (target) => `${target} is left out because it is full`,
  NOT_SERVING: (target) => `${target} is left out because it is disabled, draining or has no endpoint`,
  OPERATION_NOT_SERVED: (target) => `${target} does not serve the operation`,
  RETRIED: (target) => `${target} failed and another target served`,
  SESSION: (target) => `sessions stay where they were instead of ${target}`,
  BALANCING: (target) => `the route balances by load, away from ${target}`,
  RATE_LIMITED: (target) => `a limit of ${target} has no room`,
  BUDGET_EXHAUSTED: (target) => `the budget of ${target} is used up`,
}

/** Why observed and configured shares differ, a sentence each; empty: they do not. */
export function divergenceInWords({ divergence }: Traffic): readonly string[] {
  return divergence
    .filter(({ share }) => share >= leastShownShare)
    .map(({ reason, share, target }) => {
      const sentence = (reasons[reason] ?? (() => reason))(target?.backend.label ?? 'a former target')
      return `${percent(share)} of the requests: ${sentence}.`
    })
}
