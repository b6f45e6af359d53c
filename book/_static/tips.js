/* How the definitions behave that links show: by pointer or keyboard, closed by Escape, with their formulas set. */
'use strict';
(() => {
  const escape = {
    fn: (tip) => {
      const close = (event) => event.key === 'Escape' && tip.hide();
      return {
        onShow: () => document.addEventListener('keydown', close),
        onHide: () => document.removeEventListener('keydown', close),
      };
    },
  };
  // A tip is a copy: its anchors belong to the original, and a definition needs its list.
  const copy = {
    fn: (tip) => ({
      onCreate: () => {
        tip.popper.querySelectorAll('.tippy-content [id]').forEach((element) => element.removeAttribute('id'));
        const [content] = tip.popper.querySelectorAll('.tippy-content:has(> dt)');
        if (content) {
          const list = document.createElement('dl');
          list.append(...content.childNodes);
          content.append(list);
        }
      },
    }),
  };
  // A tip waits, unseen, for its formulas, and keeps its place when they change its size.
  const formulas = {
    fn: (tip) => ({
      onMount: () => {
        if (tip.popper.querySelector('.tippy-content > .math')) {
          tip.popper.firstElementChild.setAttribute('aria-label', 'The formula'); // it has no words of its own
        }
        if (!tip.popper.querySelector('.math') || tip.popper.querySelector('mjx-container')) return;
        tip.popper.classList.add('tip-waits');
        MathJax.startup.promise = MathJax.startup.promise
          .then(() => MathJax.typesetPromise([tip.popper]))
          .finally(() => {
            tip.popper.classList.remove('tip-waits');
            tip.popperInstance?.update();
          });
      },
    }),
  };
  tippy.setDefaultProps({
    plugins: [escape, copy, formulas],
    appendTo: () => document.body, // a table or a formula that scrolls would cut it off
    aria: { content: 'describedby', expanded: false },
    touch: false, // a finger follows the link
    popperOptions: { modifiers: [{ name: 'preventOverflow', options: { padding: 8 } }] },
  });
})();
