import type { Budget, LimitSubject, RateLimit } from '../../routing/limits/limit.ts'
import type { RateShortage } from '../../routing/limits/rate-bucket.ts'

/** Which limit has no room, and for how long, for a person: no names or ids, which may not be the caller's to know. */
export function shortageText({ bucket: { limit }, unit, retryAfterMs }: RateShortage): string {
  return `${boundText(limit, unit)} for ${scopeText(limit)}; try again in ${secondsText(retryAfterMs)}`
}

function boundText({ requestsPerMinute, tokensPerMinute, inFlight }: RateLimit, unit: RateShortage['unit']): string {
  switch (unit) {
    case 'REQUESTS':
      return `${requestsPerMinute} requests per minute`
    case 'TOKENS':
      return `${tokensPerMinute} tokens per minute`
    case 'IN_FLIGHT':
      return `${inFlight} requests at the same time`
  }
}

/** Which budget is used up, for a person. */
export function budgetText(budget: Budget): string {
  const { period } = budget
  return `that of ${scopeText(budget)}${period === 'TOTAL' ? '' : ` for this ${period.toLowerCase()}`}`
}

function scopeText({ subject, per }: RateLimit | Budget): string {
  const each = per.map((dimension) => dimensionTexts[dimension])
  return each.length === 0 ? subjectTexts[subject.kind] : `${subjectTexts[subject.kind]}, ${each.join(', ')}`
}

const subjectTexts: Readonly<Record<LimitSubject['kind'], string>> = {
  INSTALLATION: 'this installation',
  USER: 'this user',
  API_KEY: 'this API key',
  ROUTE: 'this model',
  PROVIDER: 'the provider',
  PROVIDER_MODEL: 'the provider’s model',
  DEPLOYMENT: 'the deployment',
}

const dimensionTexts: Readonly<Record<RateLimit['per'][number], string>> = {
  API_KEY: 'each API key',
  USER: 'each user',
  ROUTE: 'each model',
}

function secondsText(ms: number): string {
  return ms < 1_000 ? `${ms} ms` : `${Math.ceil(ms / 100) / 10} s`
}
