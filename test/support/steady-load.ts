import { setTimeout as sleep } from 'node:timers/promises'
import type { Product } from './product.ts'

/** Asks the route again and again, one request after the other, whatever comes back; until it is disposed of. */
export function openSteadyLoad(product: Product, model: string): AsyncDisposable {
  const stop = new AbortController()
  const ended = askUntil(stop.signal, product, model)
  return {
    async [Symbol.asyncDispose]() {
      stop.abort()
      await ended
    },
  }
}

async function askUntil(signal: AbortSignal, product: Product, model: string): Promise<void> {
  while (!signal.aborted) {
    const response = await fetch(`${product.gatewayUrl}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${product.adminKey}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model, messages: [{ role: 'user', content: 'hello' }] }),
    })
    await response.arrayBuffer()
    await sleep(20)
  }
}
