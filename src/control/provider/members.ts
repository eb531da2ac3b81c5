import type { ControlContext } from '../kit/context.ts'
import { requireProxyUrl } from '../kit/upstream-url.ts'

export function resolveProxyUrl(control: ControlContext, text: string | null): string | null {
  return text === null ? null : requireProxyUrl(text, ['input', 'proxyUrl'], control.upstreams)
}
