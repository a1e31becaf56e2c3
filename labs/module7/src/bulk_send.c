// SPDX-License-Identifier: GPL-2.0
/*
 * bulk_send udp|tcp PORT BYTES LETTER: sends BYTES times LETTER to 127.0.0.1, and says in how many calls.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	if (argc != 5) {
		fprintf(stderr, "usage: bulk_send udp|tcp PORT BYTES LETTER\n");
		return 2;
	}
	int is_udp = strcmp(argv[1], "udp") == 0;
	size_t bytes = strtoul(argv[3], NULL, 10);
	size_t sent = 0;
	unsigned long calls = 0;
	struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_port = htons((unsigned short)atoi(argv[2])),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	char *buffer = malloc(bytes);
	int fd = socket(AF_INET, is_udp ? SOCK_DGRAM : SOCK_STREAM, 0);

	if (fd < 0 || buffer == NULL) {
		perror("bulk_send");
		return 1;
	}
	memset(buffer, argv[4][0], bytes);
	/* On a datagram socket this only sets where send() sends to. */
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
		perror("connect");
		return 1;
	}

	//@ todo
	//@ /*
	//@  * TODO: send all bytes of buffer, and count the calls of send().
	//@  *   UDP: a datagram has at most 65507 bytes of payload. How large is the last one?
	//@  *   TCP: send() may take fewer bytes than you offer. It returns how many.
	//@  * Print the error and return 1 when a call fails.
	//@  */
	//@ printf("%d: nothing is sent yet\n", is_udp);
	//@ solution
	/* The largest IP packet, 65535 bytes, without its IP header (20) and UDP header (8). */
	const size_t largest_datagram = 65507;

	while (sent < bytes) {
		size_t rest = bytes - sent;
		size_t part = is_udp && rest > largest_datagram ? largest_datagram : rest;
		ssize_t n = send(fd, buffer + sent, part, 0);

		if (n < 0) {
			if (errno == EINTR)
				continue;
			perror("send");
			return 1;
		}
		sent += n;
		calls++;
	}
	//@ end
	printf("Sent %zu bytes in %lu calls\n", sent, calls);
	close(fd);
	free(buffer);
	return 0;
}
