import { startProduct } from '../../test/support/product.ts'
import type { GraphqlClient } from '../../test/support/graphql-client.ts'
import { createDeployment, createKey, createRoute, gatewayAddress } from '../configure.ts'
import { moveToLoadCore, processTree, serverCore } from '../cpu.ts'
import { type Behaviour, behaviours } from '../upstream/behaviour.ts'
import type { TransportName } from '../../src/gateway/upstream/transport.ts'
import type { Contender, ContenderStart } from './contender.ts'

/** The product with all features on: a key, a weighted route with a fallback per behaviour, circuits, usage, live counters. */
export const signalbox = signalboxOver('signalbox', 'own')

/** The same, with undici between the gateway and its upstreams. */
export const signalboxUndici = signalboxOver('signalbox-undici', 'undici')

function signalboxOver(name: 'signalbox' | 'signalbox-undici', transport: TransportName): ContenderStart {
  return { name, open: (upstreamPorts) => openSignalbox(name, transport, upstreamPorts) }
}

async function openSignalbox(
  name: 'signalbox' | 'signalbox-undici',
  transport: TransportName,
  upstreamPorts: Readonly<Record<Behaviour, number>>,
): Promise<Contender> {
  const env = { SIGNALBOX_LOG_LEVEL: 'info', SIGNALBOX_UPSTREAM_HTTP: transport }
  const product = await startProduct({ wrapper: serverCore, env })
  try {
    for (const behaviour of behaviours) await setUpRoute(product.graphql, behaviour, upstreamPorts[behaviour])
    const key = await createKey(product.graphql)
    const pids = () => processTree(product.pid, (commandLine) => commandLine.includes('main.ts'))
    // The database is a server of its own, and a gateway is measured: it gets a place beside the model servers.
    const gatewayPids = new Set(pids())
    moveToLoadCore(processTree(product.pid).filter((pid) => !gatewayPids.has(pid)))
    return {
      name,
      address: () => gatewayAddress(product, key),
      pids,
      close: async () => void (await product.stop()),
    }
  } catch (error) {
    await product.stop()
    throw error
  }
}

async function setUpRoute(graphql: GraphqlClient, behaviour: Behaviour, port: number): Promise<void> {
  for (const suffix of ['one', 'two', 'three']) await createDeployment(graphql, `${behaviour}-${suffix}`, port)
  await createRoute(graphql, behaviour, { [`${behaviour}-one`]: 100, [`${behaviour}-two`]: 200 }, `${behaviour}-three`)
}
