// SPDX-License-Identifier: GPL-2.0
/*
 * burst COUNT SIZE [TEXT]: sends COUNT datagrams of SIZE bytes to itself, over loopback, and receives each before it sends the
 * next, so that none can be lost. Every datagram is TEXT over and over.
 *
 * This is traffic to be measured: there is nothing to do in it.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The most that UDP over IPv4 carries: 65535 - 20 - 8. */
#define MOST 65507

static char out[MOST], in[MOST];

int main(int argc, char **argv)
{
	long count = argc > 1 ? atol(argv[1]) : 0;
	long size = argc > 2 ? atol(argv[2]) : 0;
	const char *text = argc > 3 ? argv[3] : "burst-";
	struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t length = sizeof(to);
	int sender = socket(AF_INET, SOCK_DGRAM, 0);
	int receiver = socket(AF_INET, SOCK_DGRAM, 0);

	if (count < 1 || size < 1 || size > MOST || !*text) {
		fprintf(stderr, "usage: burst COUNT SIZE [TEXT], SIZE at most %d\n", MOST);
		return 2;
	}
	/* Port 0: the kernel picks one that is free. */
	if (sender < 0 || receiver < 0 || bind(receiver, (struct sockaddr *)&to, sizeof(to)) < 0 ||
	    getsockname(receiver, (struct sockaddr *)&to, &length) < 0) {
		perror("burst: socket");
		return 1;
	}
	for (long at = 0; at < size; at++)
		out[at] = text[at % strlen(text)];
	for (long sent = 0; sent < count; sent++) {
		if (sendto(sender, out, size, 0, (struct sockaddr *)&to, sizeof(to)) != size) {
			perror("burst: sendto");
			return 1;
		}
		if (recv(receiver, in, sizeof(in), 0) != size || memcmp(in, out, size) != 0) {
			fprintf(stderr, "burst: datagram %ld did not arrive as it was sent\n", sent);
			return 1;
		}
	}
	printf("burst: %ld datagrams of %ld bytes\n", count, size);
	close(sender);
	close(receiver);
	return 0;
}
