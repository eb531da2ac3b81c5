import { type RefObject, useEffect, useRef, useState } from 'react'

/** Whether the element can be seen, or nearly. */
export function useInSight<Element extends HTMLElement>(): readonly [RefObject<Element | null>, boolean] {
  const element = useRef<Element>(null)
  const [isInSight, setInSight] = useState(false)
  useEffect(() => {
    if (!element.current) return undefined
    const observer = new IntersectionObserver(([entry]) => setInSight(entry!.isIntersecting), { rootMargin: '120px' })
    observer.observe(element.current)
    return () => observer.disconnect()
  }, [])
  return [element, isInSight]
}
