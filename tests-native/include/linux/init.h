/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LINUX_INIT_H
#define _LINUX_INIT_H

#define __init
#define __initdata
#define __ro_after_init
#define early_param(name, fn)	\
	int (*native_early_param_##fn)(char *) = fn
#define late_initcall(fn)	\
	int (*native_initcall_##fn)(void) = fn

#endif
