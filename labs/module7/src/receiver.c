// SPDX-License-Identifier: GPL-2.0
/*
 * receiver [PORT]: receives one UDP datagram and shows it.
 *
 * It says into which part of its memory the message goes, so that the address can be compared with what the kernel was given.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	unsigned short port = argc > 1 ? (unsigned short)atoi(argv[1]) : 9999;
	char buffer[64] = { 0 };

	//@ todo
	//@ /*
	//@  * TODO 1: open a UDP socket and bind it to port, on any address.
	//@  * TODO 2: print "Receiving into buffer at 0x..." (the address of buffer, %p).
	//@  * TODO 3: receive one datagram into buffer; keep room for a final 0.
	//@  * TODO 4: print "Received <n> bytes: <text>". Return 1 when a call fails.
	//@  */
	//@ printf("port %hu, room for %zu bytes: nothing is received yet\n", port, sizeof(buffer));
	//@ return 1;
	//@ solution
	struct sockaddr_in local = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_ANY),
	};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (fd < 0) {
		perror("socket");
		return 1;
	}
	if (bind(fd, (struct sockaddr *)&local, sizeof(local)) < 0) {
		perror("bind");
		return 1;
	}
	printf("Receiving into buffer at %p\n", (void *)buffer);
	fflush(stdout);

	ssize_t received = recv(fd, buffer, sizeof(buffer) - 1, 0);

	if (received < 0) {
		perror("recv");
		return 1;
	}
	printf("Received %zd bytes: %s\n", received, buffer);
	close(fd);
	return 0;
	//@ end
}
