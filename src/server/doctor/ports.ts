import { once } from 'node:events'
import { createServer } from 'node:net'
import type { Config, ListenAddress } from '../configuration/config.ts'
import { urlOf } from '../listeners/http.ts'
import { fail, type Finding, ok } from './finding.ts'

const answerPatienceMs = 2_000

/** Whether the ports of this role can be had, or a running Signalbox has them. */
export async function examinePorts({ role, api, gateway }: Config): Promise<Finding[]> {
  const wanted = [
    ...(role === 'gateway' ? [] : [['port.api', api, 'SIGNALBOX_API'] as const]),
    ...(role === 'control' ? [] : [['port.gateway', gateway, 'SIGNALBOX_GATEWAY'] as const]),
  ]
  return Promise.all(wanted.map(([check, listen, prefix]) => examinePort(check, listen, prefix)))
}

async function examinePort(check: string, listen: ListenAddress, prefix: string): Promise<Finding> {
  const place = `${listen.host}, port ${listen.port}`
  const code = await tryListen(listen)
  if (code === undefined) return ok(check, `${place} is free.`)
  if (code === 'EADDRINUSE' && (await isHealthy(urlOf(listen.host, listen.port))))
    return ok(check, `A running server answers at ${place}.`)
  if (code === 'EADDRINUSE')
    return fail(check, `Another program has ${place}.`, `End it, or set ${prefix}_PORT to another port.`)
  return fail(
    check,
    `${place} cannot be had (${code}).`,
    `Set ${prefix}_HOST and ${prefix}_PORT to an address of this machine.`,
  )
}

/** The code of the error; undefined: it can be had. */
async function tryListen({ host, port }: ListenAddress): Promise<string | undefined> {
  const server = createServer()
  try {
    server.listen({ host, port })
    await once(server, 'listening')
    return undefined
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'unknown'
  } finally {
    server.close()
  }
}

async function isHealthy(url: string): Promise<boolean> {
  try {
    const answer = await fetch(`${url}/healthz`, { signal: AbortSignal.timeout(answerPatienceMs), redirect: 'error' })
    return answer.status === 200 && (await answer.text()).trim() === 'ok'
  } catch {
    return false
  }
}
