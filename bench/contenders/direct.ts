import { chatPath, type ContenderStart } from './contender.ts'

export const direct: ContenderStart = {
  name: 'direct',
  open: async (ports) => ({
    name: 'direct',
    address: (behaviour) => ({ port: ports[behaviour], path: chatPath, headers: {} }),
    pids: () => [],
    close: async () => {},
  }),
}
